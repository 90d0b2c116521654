/**
 * The ids of one stream's calls. An id is free again when its reply has come and not before, though nobody waits for that any
 * more: a late reply would be taken for that of another call.
 */
export class CallSlots<C extends object> {
  readonly #calls: (C | typeof GIVEN_UP | undefined)[] = [undefined]
  readonly #free: number[] = []

  /** The id, from 1, that a call has until it is replied to. */
  place(call: C): number {
    const id = this.#free.pop() ?? this.#calls.length
    this.#calls[id] = call
    return id
  }

  /** Nobody waits for it any more. */
  giveUp(id: number): void {
    this.#calls[id] = GIVEN_UP
  }

  /** Whose reply has come; `undefined` when nobody waits for it. */
  take(id: number): C | undefined {
    const call = this.#calls[id]
    if (call === undefined) return undefined
    this.#calls[id] = undefined
    this.#free.push(id)
    return call === GIVEN_UP ? undefined : call
  }

  /** Those waited for. */
  *[Symbol.iterator](): Generator<C> {
    for (const call of this.#calls) if (call !== undefined && call !== GIVEN_UP) yield call
  }
}

const GIVEN_UP = Symbol('given up')
