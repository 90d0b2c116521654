/**
 * One answer for all who ask in the same turn of the event loop. It is asked for when all of them have, so that it is of a
 * moment after each of them began.
 */
export class OnceATurn<T> {
  readonly #ask: () => Promise<T>
  #answer: Promise<T> | undefined

  constructor(ask: () => Promise<T>) {
    this.#ask = ask
  }

  get(): Promise<T> {
    this.#answer ??= this.#inAMoment()
    return this.#answer
  }

  async #inAMoment(): Promise<T> {
    await new Promise<void>((resolve) => process.nextTick(resolve))
    this.#answer = undefined
    return this.#ask()
  }
}
