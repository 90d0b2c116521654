/** Wakes those who wait for something to have changed. */
export class ChangeSignal {
  readonly #listeners = new Set<() => void>()

  /** Whether somebody waits. */
  get awaited(): boolean {
    return this.#listeners.size > 0
  }

  /** Wakes all who wait. */
  tell(): void {
    for (const listener of this.#listeners) listener()
  }

  /** Resolves at the next change, or after `timeoutMs`, or when the signal aborts. */
  changed(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#listeners.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      signal.addEventListener('abort', done)
      this.#listeners.add(done)
      if (signal.aborted) done()
    })
  }
}
