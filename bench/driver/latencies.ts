import { build, type Histogram } from 'hdr-histogram-js'

/** Steps of a tenth of a microsecond, up to a minute. */
const STEPS_PER_MS = 10_000
const MS_MAX = 60_000

/** How long calls took, in an HDR histogram of three significant digits. */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MS_MAX * STEPS_PER_MS,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
  })

  record(ms: number): void {
    const steps = Math.round(Math.min(ms, MS_MAX) * STEPS_PER_MS)
    this.#histogram.recordValue(Math.max(1, steps))
  }

  get count(): number {
    return this.#histogram.totalCount
  }

  /** In milliseconds; `share` from 0 to 1. */
  percentile(share: number): number {
    return this.#histogram.getValueAtPercentile(share * 100) / STEPS_PER_MS
  }
}
