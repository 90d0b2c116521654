/** Timers of more milliseconds, 24 days, fire at once; it looks then, finds nothing, and is set anew. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * One timer for many deadlines. As those mostly come in the order in which they are set, it is hardly ever set anew; it
 * keeps no process alive.
 */
export class DueTimer {
  readonly #look: (nowMs: number) => number
  #timer: NodeJS.Timeout | undefined
  #atMs = Number.POSITIVE_INFINITY

  /** @param look ends what is due by then, and returns when the next is; by `performance.now()`. */
  constructor(look: (nowMs: number) => number) {
    this.#look = look
  }

  /** There is something to look at by then. */
  by(atMs: number): void {
    if (atMs >= this.#atMs) return
    this.stop()
    this.#atMs = atMs
    const inMs = Math.min(Math.max(0, Math.ceil(atMs - performance.now())), LONGEST_TIMER_MS)
    this.#timer = setTimeout(() => this.#due(), inMs).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#atMs = Number.POSITIVE_INFINITY
  }

  #due(): void {
    this.#atMs = Number.POSITIVE_INFINITY
    this.by(this.#look(performance.now()))
  }
}
