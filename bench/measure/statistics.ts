/** Median of some values; the mean of the middle two where there is no middle one. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which a share of the values lies, by linear interpolation between neighbours; `share` from 0 to 1. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('no values')
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const [below, above] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN]
  return below + (above - below) * (at - Math.floor(at))
}

export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values')
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Where values lie. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  /** Half of the distance between the quartiles, as a share of the median. */
  readonly noise: number
}

export function spreadOf(values: readonly number[]): Spread {
  const middle = median(values)
  const half = (quantile(values, 0.75) - quantile(values, 0.25)) / 2
  return {
    median: middle,
    min: Math.min(...values),
    max: Math.max(...values),
    noise: middle === 0 ? 0 : Math.abs(half / middle),
  }
}

/** How far the one that is farthest from the mean of all is from it, as a share of the mean: 0 when all are the same. */
export function imbalance(values: readonly number[]): number {
  const middle = mean(values)
  if (middle === 0) throw new Error('nothing was done by any')
  return Math.max(...values.map((value) => Math.abs(value - middle))) / middle
}
