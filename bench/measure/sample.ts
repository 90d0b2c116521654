import { median } from './statistics.ts'

/** What one turn of one side gave: figures by name, such as `perSecond`, `p50Ms`, `p99Ms`, `recall`. */
export type Sample = Readonly<Record<string, number>>

/** A figure of a sample. Throws where the sample has none, so that no ratio is made of nothing. */
export function figure(sample: Sample | undefined, name: string): number {
  const value = sample?.[name]
  if (value === undefined || !Number.isFinite(value)) throw new Error(`a turn gave no ${name}`)
  return value
}

/** Of each figure the median. */
export function medianSample(samples: readonly Sample[]): Sample {
  const names = [...new Set(samples.flatMap((sample) => Object.keys(sample)))]
  return Object.fromEntries(
    names.map((name) => [name, median(samples.map((sample) => figure(sample, name)))]),
  )
}
