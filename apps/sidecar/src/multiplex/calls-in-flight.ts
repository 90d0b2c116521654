import type { MultiplexedCall } from './multiplexed-call.ts'

/** Timers take no more than 2³¹ − 1. */
const SLEEP_MS_MAX = 60_000

/**
 * A stream's calls in flight, by id, and one timer for all of their deadlines: set to the earliest that was seen, so that it
 * goes off about once a timeout, however many calls there are.
 */
export class CallsInFlight {
  readonly #calls = new Map<number, MultiplexedCall>()
  readonly #onDue: (call: MultiplexedCall, nowMs: number) => void
  #timer: NodeJS.Timeout | undefined
  #wakeMs = Number.POSITIVE_INFINITY

  /** @param onDue is called when a call is due, and is to end it or to make it due later. */
  constructor(onDue: (call: MultiplexedCall, nowMs: number) => void) {
    this.#onDue = onDue
  }

  get size(): number {
    return this.#calls.size
  }

  get(id: number): MultiplexedCall | undefined {
    return this.#calls.get(id)
  }

  /** @returns false when its id is another call's. */
  add(call: MultiplexedCall): boolean {
    if (this.#calls.has(call.id)) return false
    this.#calls.set(call.id, call)
    this.#wakeBy(call.dueMs)
    return true
  }

  /** Something is due to be done about a call by then. */
  makeDue(call: MultiplexedCall, atMs: number): void {
    call.dueMs = atMs
    this.#wakeBy(atMs)
  }

  delete(call: MultiplexedCall): void {
    this.#calls.delete(call.id)
  }

  /** Forgets all calls. @returns those there were. */
  clear(): MultiplexedCall[] {
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    clearTimeout(this.#timer)
    return calls
  }

  #wakeBy(atMs: number): void {
    if (atMs >= this.#wakeMs) return
    this.#wakeMs = atMs
    clearTimeout(this.#timer)
    const sleepMs = Math.min(Math.max(0, atMs - Date.now()), SLEEP_MS_MAX)
    this.#timer = setTimeout(() => this.#sweep(), sleepMs)
    this.#timer.unref()
  }

  #sweep(): void {
    this.#wakeMs = Number.POSITIVE_INFINITY
    const nowMs = Date.now()
    let nextMs = Number.POSITIVE_INFINITY
    for (const call of this.#calls.values()) {
      if (call.dueMs <= nowMs) this.#onDue(call, nowMs)
      if (!call.answered) nextMs = Math.min(nextMs, call.dueMs)
    }
    if (this.#calls.size > 0) this.#wakeBy(nextMs)
  }
}
