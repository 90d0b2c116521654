const AN_HOUR_MS = 3_600_000

/**
 * Keeps the process alive while somebody waits for something that doesn't do so itself: sockets to sidecars don't, or
 * watching their health would.
 */
export class ProcessHold {
  #count = 0
  #timer: NodeJS.Timeout | undefined

  /** One more waits, until the function returned is called. */
  begin(): () => void {
    this.enter()
    let ended = false
    return () => {
      if (ended) return
      ended = true
      this.leave()
    }
  }

  /** One more waits, until a call of {@link leave}. */
  enter(): void {
    this.#count += 1
    this.#timer ??= setInterval(() => {}, AN_HOUR_MS)
  }

  /** One less waits. */
  leave(): void {
    this.#count -= 1
    if (this.#count === 0) this.release()
  }

  /** Nothing is waited for any more. */
  release(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
