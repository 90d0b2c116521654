/** What a piece of work tells of itself while it goes on, whether or not anybody listens. */
export class Progress<T> {
  readonly #told: T[] = []
  #over = false
  #failure: { readonly error: unknown } | undefined
  #wake = () => {}

  /** Starts to follow a piece of work; it goes to its end even if nobody reads what it tells. */
  static of<T>(work: AsyncIterable<T>): { readonly progress: Progress<T>; readonly done: Promise<void> } {
    const progress = new Progress<T>()
    return { progress, done: progress.#follow(work) }
  }

  async #follow(work: AsyncIterable<T>): Promise<void> {
    try {
      for await (const told of work) {
        this.#told.push(told)
        this.#wake()
      }
    } catch (error) {
      this.#failure = { error }
    }
    this.#over = true
    this.#wake()
  }

  /** All that was told, and is. Whoever stops reading stops nothing. @throws what the work ended with */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (let next = 0; ; next++) {
      while (next >= this.#told.length) {
        if (this.#failure) throw this.#failure.error
        if (this.#over) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      yield this.#told[next] as T
    }
  }
}
