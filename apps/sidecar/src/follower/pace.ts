/*
 * How much the follower writes at once. Where the module has no threads of its own, writing and searching share Redis's
 * one thread: while someone searches, batches take about 5 ms and are followed by a pause as long; otherwise they are as
 * large as pays.
 */

const COUNT_MAX = 200
const BUSY_BATCH_MS = 5
const BUSY_FOR_MS = 1_000

/** Sizes the follower's batches by time. */
export class Pace {
  readonly #nowMs: () => number
  #searchedAtMs = Number.NEGATIVE_INFINITY
  #itemMs = 1

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** To be told of every search. */
  searched(): void {
    this.#searchedAtMs = this.#nowMs()
  }

  /** Whether someone searches. */
  get busy(): boolean {
    return this.#nowMs() - this.#searchedAtMs < BUSY_FOR_MS
  }

  /** Changes to write at once. */
  get count(): number {
    if (!this.busy) return COUNT_MAX
    return Math.max(1, Math.min(COUNT_MAX, Math.floor(BUSY_BATCH_MS / this.#itemMs)))
  }

  /** To be told of every batch; gives how long to pause after it. */
  wrote(count: number, tookMs: number): number {
    if (count === 0) return 0
    this.#itemMs = this.#itemMs * 0.7 + (tookMs / count) * 0.3
    return this.busy ? tookMs : 0
  }
}
