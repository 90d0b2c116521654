import type { PrimaryClock } from '../primary-clock.ts'
import type { MarkWatch } from './mark-watch.ts'

/** How far this region is behind the primary, milliseconds. */
export interface Lag {
  readonly lagMs: number
  /** Half of the confidence interval, from the skew estimate. */
  readonly uncertaintyMs: number
}

/**
 * The region's replication lag, by the primary's heartbeats: how long the newest one took to arrive, or how long the one
 * after it is overdue, whichever is more. So it is a distance while replication runs, and grows when it stands still.
 */
export class LagMeter {
  readonly #heartbeats: MarkWatch
  readonly #clock: PrimaryClock
  readonly #intervalMs: number

  /** @param options.intervalMs between heartbeats. */
  constructor(options: { heartbeats: MarkWatch; clock: PrimaryClock; intervalMs: number }) {
    this.#heartbeats = options.heartbeats
    this.#clock = options.clock
    this.#intervalMs = options.intervalMs
  }

  /** The lag now; `undefined` before the first heartbeat is seen, and while nothing is known of the primary's clock. */
  lag(): Lag | undefined {
    const uncertaintyMs = this.#clock.uncertaintyMs()
    const heartbeat = this.#heartbeats.newest
    if (!heartbeat || !Number.isFinite(uncertaintyMs)) return undefined
    const tookMs = heartbeat.seenAtMs - heartbeat.writtenAtMs
    const overdueMs = this.#clock.nowMs() - heartbeat.writtenAtMs - this.#intervalMs
    return { lagMs: Math.max(0, tookMs, overdueMs), uncertaintyMs }
  }
}
