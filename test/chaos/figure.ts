/** A figure that a fault is known by, and how large it may get. */
export interface Figure {
  readonly name: string
  /** Default: a bare count. */
  readonly unit?: 'ms' | 's' | undefined
  /** No repetition may show more; absent: told for information. */
  readonly max?: number | undefined
}

/** What one repetition has shown, by the figures' names. */
export type Readings = Readonly<Record<string, number>>

/** All repetitions of a figure. */
export interface Summary {
  readonly figure: Figure
  readonly count: number
  readonly median: number
  readonly maximum: number
  readonly holds: boolean
}

/** Nothing measured holds nothing: a figure without a reading, or with one that is no number, is broken. */
export function summaryOf(figure: Figure, readings: readonly Readings[]): Summary {
  const values = readings.map((reading) => reading[figure.name] ?? Number.NaN)
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
  const maximum = sorted.at(-1) ?? Number.NaN
  const known = sorted.length > 0 && sorted.length === values.length
  return {
    ...{ figure, maximum, count: sorted.length },
    median: medianOf(sorted),
    holds: known && (figure.max === undefined || maximum <= figure.max),
  }
}

/** A value with its unit. */
export function inUnit({ unit }: Figure, value: number): string {
  if (Number.isNaN(value)) return 'nothing'
  if (value === Number.POSITIVE_INFINITY) return 'never'
  if (unit === undefined) return String(value)
  return unit === 'ms' ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`
}

function medianOf(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
