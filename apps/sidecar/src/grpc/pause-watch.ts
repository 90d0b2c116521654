const TICK_MS = 50
/** Shorter ones are the work of a busy process. */
const PAUSE_MS_MIN = 200
/** What came in during a pause is read within this, once it is over. */
const READING_MS = 500

/**
 * Notices that the whole process stood still, as when it was stopped or its machine was suspended. A call that came in
 * meanwhile brings the time that its caller had left when it was sent, and that was up to the pause ago.
 */
export class PauseWatch {
  readonly #nowMs: () => number
  #timer: NodeJS.Timeout | undefined
  #tickedAtMs: number
  #last = { pauseMs: 0, endedAtMs: Number.NEGATIVE_INFINITY }

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
    this.#tickedAtMs = nowMs()
  }

  start(): void {
    this.#tickedAtMs = this.#nowMs()
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Says that the process runs. */
  tick(): void {
    const nowMs = this.#nowMs()
    const pauseMs = nowMs - this.#tickedAtMs
    if (pauseMs >= PAUSE_MS_MIN) this.#last = { pauseMs, endedAtMs: nowMs }
    this.#tickedAtMs = nowMs
  }

  /** How long ago a call that is read now may have been sent at most, but for its way here; 0 unless there was a pause. */
  get waitedMsMax(): number {
    const nowMs = this.#nowMs()
    const sinceTickMs = nowMs - this.#tickedAtMs
    const { pauseMs, endedAtMs } = this.#last
    const recentMs = nowMs - endedAtMs <= READING_MS ? nowMs - endedAtMs + pauseMs : 0
    return Math.max(sinceTickMs >= PAUSE_MS_MIN ? sinceTickMs : 0, recentMs)
  }
}
