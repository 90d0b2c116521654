import { aborted } from './perigee-error.ts'

/** Of one value: those who look for it, and its newest computation. */
interface Slot {
  visitors: number
  newest: { readonly result: Promise<unknown>; overAt: number } | undefined
}

/** Begins a computation, or joins one. */
export type Join<T> = (signal: AbortSignal | undefined, start: () => Promise<T>) => Promise<T>

/**
 * Computations of this process, each known by its slot. Whoever began to look for a value before its computation was over
 * takes that one's result, however late the store says that the value is missing.
 */
export class Computations {
  readonly #slots = new Map<string, Slot>()
  #visits = 0

  /**
   * Looks for a value: `look` is given what begins its computation, or joins the one under way. A slot has one type of result.
   * The signal ends this caller's waiting; the computation goes on for the others.
   */
  async visit<T, R>(name: string, look: (join: Join<T>) => Promise<R>): Promise<R> {
    const slot = this.#slots.get(name) ?? { visitors: 0, newest: undefined }
    this.#slots.set(name, slot)
    slot.visitors += 1
    const beganAt = ++this.#visits
    const leave = () => {
      slot.visitors -= 1
      if (slot.visitors === 0) this.#slots.delete(name)
    }
    const join: Join<T> = (signal, start) => {
      if (!slot.newest || slot.newest.overAt < beganAt) this.#begin(slot, start, leave)
      const result = slot.newest?.result as Promise<T>
      return signal ? abortable(result, signal) : result
    }
    try {
      return await look(join)
    } finally {
      leave()
    }
  }

  /** A computation is a visitor too: others may come while it is under way, though who began it has left. */
  #begin(slot: Slot, start: () => Promise<unknown>, leave: () => void): void {
    const newest = { result: start(), overAt: Number.POSITIVE_INFINITY }
    slot.newest = newest
    slot.visitors += 1
    const over = () => {
      newest.overAt = ++this.#visits
      leave()
    }
    newest.result.then(over, () => {
      // The next one who asks begins anew.
      if (slot.newest === newest) slot.newest = undefined
      over()
    })
  }
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined
  const given = new Promise<never>((_, reject) => {
    onAbort = () => reject(aborted(signal))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, given])
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort)
  }
}
