import type { Principal } from '../../security/principal.ts'
import { overloaded } from './peer-traffic.ts'
import type { TrafficLimits } from './traffic-limits.ts'

/** So many principals are remembered before those are forgotten who have made no call for a while. */
const REMEMBERED_MAX = 10_000

interface Bucket {
  /** Calls that may be made now. */
  tokens: number
  asOfMs: number
}

/**
 * How many calls a second each principal may make: a token bucket each, by name. Other sidecars are left out: what they
 * forward was counted where it came in.
 */
export class Rates {
  readonly #perSecond: number
  readonly #burst: number
  readonly #nowMs: () => number
  readonly #buckets = new Map<string, Bucket>()

  constructor(perSecond: number, burst: number, nowMs: () => number = () => performance.now()) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#nowMs = nowMs
  }

  /** What the limits say; `undefined`: no limit. */
  static of({ callsPerSecondMax, callsBurstMax }: TrafficLimits): Rates | undefined {
    return callsPerSecondMax > 0
      ? new Rates(callsPerSecondMax, callsBurstMax || callsPerSecondMax)
      : undefined
  }

  /**
   * Counts a call.
   *
   * @throws StatusError OVERLOADED when its principal has made too many of late, with the time until it may make the next.
   */
  take({ kind, name }: Principal): void {
    if (kind === 'peer') return
    const id = `${kind} ${name}`
    const nowMs = this.#nowMs()
    const bucket = this.#buckets.get(id) ?? this.#add(id, nowMs)
    this.#fill(bucket, nowMs)
    if (bucket.tokens < 1) {
      const waitMs = Math.max(1, Math.ceil(((1 - bucket.tokens) / this.#perSecond) * 1000))
      throw overloaded(
        `This principal may make ${this.#perSecond} calls a second at this sidecar; send them slower, or have PERIGEE_CALLS_PER_SECOND_MAX raised.`,
        waitMs,
      )
    }
    bucket.tokens -= 1
  }

  #fill(bucket: Bucket, nowMs: number): void {
    const earned = ((nowMs - bucket.asOfMs) / 1000) * this.#perSecond
    bucket.tokens = Math.min(this.#burst, bucket.tokens + earned)
    bucket.asOfMs = nowMs
  }

  #add(id: string, nowMs: number): Bucket {
    if (this.#buckets.size >= REMEMBERED_MAX) this.#forgetIdle(nowMs)
    const bucket = { tokens: this.#burst, asOfMs: nowMs }
    this.#buckets.set(id, bucket)
    return bucket
  }

  /** A full bucket is as good as none; where all are in use, the oldest goes. */
  #forgetIdle(nowMs: number): void {
    for (const [id, bucket] of this.#buckets) {
      this.#fill(bucket, nowMs)
      if (bucket.tokens >= this.#burst) this.#buckets.delete(id)
    }
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size >= REMEMBERED_MAX && oldest !== undefined) this.#buckets.delete(oldest)
  }
}
