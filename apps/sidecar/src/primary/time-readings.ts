/** When this region's Redis said what its time is. */
interface Reading {
  readonly redisUs: number
  /** Monotonic milliseconds. */
  readonly receivedMs: number
}

const READINGS_MAX = 64

/**
 * What the data Redis's own clock showed, and when this process had read that: so a lease's end can be reckoned in that
 * clock from a moment known in this one's. Readings are of one process and one connection, forgotten with it.
 */
export class TimeReadings {
  #readings: Reading[] = []

  note(redisUs: number, receivedMs: number): void {
    const last = this.#readings.at(-1)
    if (last && redisUs < last.redisUs) this.#readings = []
    this.#readings.push({ redisUs, receivedMs })
    if (this.#readings.length > READINGS_MAX) this.#readings.shift()
  }

  forget(): void {
    this.#readings = []
  }

  /** The newest time that the Redis's clock had certainly reached at `ms`; `undefined` when none was read by then. */
  before(ms: number): number | undefined {
    return this.#readings.findLast(({ receivedMs }) => receivedMs <= ms)?.redisUs
  }

  /** When the Redis's clock will certainly have reached a time, monotonic milliseconds; 0 without a reading. */
  certainlyReachedAtMs(redisUs: number): number {
    const last = this.#readings.at(-1)
    return last ? last.receivedMs + (redisUs - last.redisUs) / 1000 : 0
  }
}
