import { aborted } from './perigee-error.ts'

/** Computations under way in this process, each known by its slot; whoever asks for the same one joins it. */
export class Computations {
  readonly #running = new Map<string, Promise<unknown>>()

  /**
   * The result of the computation in `slot`, which `start` begins if none is under way. A slot has one type of result.
   *
   * @param signal ends this caller's waiting; the computation goes on for the others.
   */
  async join<T>(slot: string, signal: AbortSignal | undefined, start: () => Promise<T>): Promise<T> {
    let running = this.#running.get(slot) as Promise<T> | undefined
    if (!running) {
      running = start().finally(() => this.#running.delete(slot))
      this.#running.set(slot, running)
    }
    return signal ? abortable(running, signal) : running
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
