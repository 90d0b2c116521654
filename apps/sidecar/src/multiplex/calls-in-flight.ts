import type { MultiplexedCall } from './multiplexed-call.ts'

/** Timers take no more than 2³¹ − 1. */
const SLEEP_MS_MAX = 60_000
/** Ids up to this one are places of an array. */
const PLACED_ID_MAX = 4_095

/**
 * A stream's calls in flight, by id, and one timer for all of their deadlines: set to the earliest that was seen, so that it
 * goes off about once a timeout, however many calls there are.
 */
export class CallsInFlight {
  /**
   * By id, as clients use ids again. A Map whose entries come and go makes itself anew all the time, and what it was before,
   * once it is old, keeps calls and their frames until all of the heap is collected: half of a Set's processor time.
   */
  readonly #placed: (MultiplexedCall | undefined)[] = []
  /** Those with larger ids. */
  readonly #others = new Map<number, MultiplexedCall>()
  #size = 0
  readonly #onDue: (call: MultiplexedCall, nowMs: number) => void
  #timer: NodeJS.Timeout | undefined
  #wakeMs = Number.POSITIVE_INFINITY

  /** @param onDue is called when a call is due, and is to end it or to make it due later. */
  constructor(onDue: (call: MultiplexedCall, nowMs: number) => void) {
    this.#onDue = onDue
  }

  get size(): number {
    return this.#size
  }

  get(id: number): MultiplexedCall | undefined {
    return id <= PLACED_ID_MAX ? this.#placed[id] : this.#others.get(id)
  }

  /** @returns false when its id is another call's. */
  add(call: MultiplexedCall): boolean {
    const { id } = call
    if (this.get(id)) return false
    if (id > PLACED_ID_MAX) this.#others.set(id, call)
    else {
      // Without holes, which would make it a map as well.
      while (this.#placed.length < id) this.#placed.push(undefined)
      this.#placed[id] = call
    }
    this.#size += 1
    this.#wakeFor(call)
    return true
  }

  /** Something is due to be done about a call so long after its arrival, whole milliseconds. */
  makeDue(call: MultiplexedCall, afterMs: number): void {
    call.dueAfterMs = afterMs
    this.#wakeFor(call)
  }

  delete(call: MultiplexedCall): void {
    if (this.get(call.id) !== call) return
    this.#size -= 1
    if (call.id <= PLACED_ID_MAX) this.#placed[call.id] = undefined
    else this.#others.delete(call.id)
  }

  /** Forgets all calls. @returns those there were. */
  clear(): MultiplexedCall[] {
    const calls = [...this]
    this.#placed.length = 0
    this.#others.clear()
    this.#size = 0
    clearTimeout(this.#timer)
    return calls
  }

  *[Symbol.iterator](): Generator<MultiplexedCall> {
    for (const call of this.#placed) if (call) yield call
    yield* this.#others.values()
  }

  #wakeFor(call: MultiplexedCall): void {
    if (call.dueMs < this.#wakeMs) this.#wakeAt(call.dueMs)
  }

  #wakeAt(atMs: number): void {
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
    for (const call of this) {
      if (call.dueMs <= nowMs) this.#onDue(call, nowMs)
      if (!call.answered) nextMs = Math.min(nextMs, call.dueMs)
    }
    if (this.#size > 0) this.#wakeAt(nextMs)
  }
}
