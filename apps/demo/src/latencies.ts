/** A set of measured durations, in milliseconds. */
export class Latencies {
  readonly #sorted: Float64Array

  /** @throws if there is none. */
  constructor(valuesMs: Iterable<number>) {
    this.#sorted = Float64Array.from(valuesMs).sort()
    if (this.#sorted.length === 0) throw new Error('Nothing was measured.')
  }

  get count(): number {
    return this.#sorted.length
  }

  get min(): number {
    return this.percentile(0)
  }

  get p50(): number {
    return this.percentile(50)
  }

  get p95(): number {
    return this.percentile(95)
  }

  get p99(): number {
    return this.percentile(99)
  }

  get max(): number {
    return this.percentile(100)
  }

  /** The smallest value that is not exceeded by `percent` of all (nearest rank). */
  percentile(percent: number): number {
    const rank = Math.max(Math.ceil((percent / 100) * this.count), 1)
    return this.#sorted[rank - 1] ?? Number.NaN
  }

  /** Counts of values by equal parts of the span from `fromMs` to `toMs`; values outside go to the ends. */
  buckets(count: number, span: { fromMs: number; toMs: number }): number[] {
    const buckets = new Array<number>(count).fill(0)
    for (const value of this.#sorted) {
      const at = Math.floor(((value - span.fromMs) / (span.toMs - span.fromMs)) * count)
      const bucket = Math.min(Math.max(at, 0), count - 1)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    return buckets
  }
}

/** Runs `action` once and gives its duration in milliseconds with its result. */
export async function timed<Result>(action: () => Promise<Result>): Promise<{ ms: number; result: Result }> {
  const start = performance.now()
  const result = await action()
  return { ms: performance.now() - start, result }
}
