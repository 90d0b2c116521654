/** Clocks of ordinary hosts drift apart by up to 50 µs a second each. */
const DRIFT_PER_MS = 1e-4

/**
 * How far the data Redis's clock is ahead of this host's, from reads of its TIME. A read that took long says little: it
 * doesn't replace a better one that it agrees with.
 */
export class RedisTime {
  #offsetMs = 0
  #uncertaintyMs = Number.POSITIVE_INFINITY
  #notedMs = 0

  /** Notes a reading: the Redis's time, and this host's time just before and just after. */
  note({ redisMs, sentMs, receivedMs }: { redisMs: number; sentMs: number; receivedMs: number }): void {
    const offsetMs = redisMs - (sentMs + receivedMs) / 2
    const uncertaintyMs = (receivedMs - sentMs) / 2
    const known = this.#uncertaintyAt(receivedMs)
    // Readings that contradict each other: a clock was set, and the newer one counts.
    const agrees = Math.abs(offsetMs - this.#offsetMs) <= uncertaintyMs + known
    if (agrees && uncertaintyMs > known) return
    this.#offsetMs = offsetMs
    this.#uncertaintyMs = uncertaintyMs
    this.#notedMs = receivedMs
  }

  /** Milliseconds to add to this host's Unix time. */
  get offsetMs(): number {
    return this.#offsetMs
  }

  /** Half of the confidence interval; infinite before the first reading. */
  get uncertaintyMs(): number {
    return this.#uncertaintyAt(hostNowMs())
  }

  #uncertaintyAt(nowMs: number): number {
    return this.#uncertaintyMs + Math.max(0, nowMs - this.#notedMs) * DRIFT_PER_MS
  }
}

/** This host's Unix milliseconds, to fractions of one. */
export function hostNowMs(): number {
  return performance.timeOrigin + performance.now()
}
