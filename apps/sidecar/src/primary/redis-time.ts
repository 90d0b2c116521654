/** How far the data Redis's clock is ahead of this host's, from reads of its TIME. */
export class RedisTime {
  #offsetMs = 0
  #uncertaintyMs = Number.POSITIVE_INFINITY

  /** Notes a reading: the Redis's time, and this host's time just before and just after. */
  note(reading: { redisMs: number; sentMs: number; receivedMs: number }): void {
    this.#offsetMs = reading.redisMs - (reading.sentMs + reading.receivedMs) / 2
    this.#uncertaintyMs = (reading.receivedMs - reading.sentMs) / 2
  }

  /** Milliseconds to add to this host's Unix time. */
  get offsetMs(): number {
    return this.#offsetMs
  }

  /** Half of the confidence interval; infinite before the first reading. */
  get uncertaintyMs(): number {
    return this.#uncertaintyMs
  }
}

/** This host's Unix milliseconds, to fractions of one. */
export function hostNowMs(): number {
  return performance.timeOrigin + performance.now()
}
