import type { OwnLook } from './own-redis.ts'

/** How long it takes at the most until a sidecar has heard who holds the claim. */
const HEARD_OF_MS = 1000

/**
 * The right to write on its way to a region, as this region's Redis tells, or its sidecar knows. It is over soon,
 * whatever becomes of it: writes may wait for that.
 */
export class Handover {
  #to: string | undefined
  /** Monotonic milliseconds. */
  #untilMs = 0

  /** The region; `undefined` while the right stays where it is. */
  get to(): string | undefined {
    return performance.now() < this.#untilMs ? this.#to : undefined
  }

  /** Takes note of whether the Redis makes way for a promotion, or its region is being promoted; what is only prepared doesn't count. */
  note({ makesWay, nowUs, live }: OwnLook): void {
    const leftMs = makesWay ? (makesWay.handedUntilUs - nowUs) / 1000 : 0
    if (makesWay && leftMs > 0) {
      this.#to = makesWay.region
      this.#untilMs = performance.now() + leftMs
    } else if (live) {
      this.end()
    } else if (this.#to !== undefined) {
      // Who has the right to write now is told by the others in a moment.
      this.#untilMs = Math.min(this.#untilMs, performance.now() + HEARD_OF_MS)
      this.#to = this.to
    }
  }

  /** The right to write is here. */
  end(): void {
    this.#untilMs = 0
  }
}
