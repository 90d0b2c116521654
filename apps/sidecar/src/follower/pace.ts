/*
 * How much the follower writes at once. Where the module has no threads of its own, writing and searching share Redis's
 * one thread: while someone searches, batches take about 5 ms and are followed by a pause as long; otherwise they are as
 * large as pays. An index that is behind the log takes more at once, the further behind the more: on a machine that is short
 * of time every batch takes long, whatever its size, and an index that is searched would never catch up.
 */

const COUNT_MAX = 200
const BUSY_BATCH_MS = 5
const BUSY_FOR_MS = 1_000
const ITEM_MS_MIN = 0.05
const BEHIND_COUNT_MAX = 16
const BEHIND_PART = 4

/** Sizes the follower's batches by time. */
export class Pace {
  readonly #nowMs: () => number
  #searchedAtMs = Number.NEGATIVE_INFINITY
  #itemMs = 1
  /** Entries of the log that are left to take over. */
  behind = 0

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
    const least = Math.min(BEHIND_COUNT_MAX, Math.ceil(this.behind / BEHIND_PART))
    return Math.max(1, least, Math.min(COUNT_MAX, Math.floor(BUSY_BATCH_MS / this.#itemMs)))
  }

  /**
   * To be told of every batch; gives how long to pause after it.
   *
   * @param idleMs how long a command that does next to nothing took just before: what searches made both wait.
   */
  wrote(count: number, tookMs: number, idleMs: number): number {
    if (count === 0) return 0
    const workMs = Math.max(0, tookMs - idleMs)
    this.#itemMs = this.#itemMs * 0.7 + Math.max(ITEM_MS_MIN, workMs / count) * 0.3
    return this.busy ? workMs : 0
  }
}
