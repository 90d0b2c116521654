/*
 * Estimates the primary Redis's clock. At the primary's sidecar that is this host's clock plus the offset that reads of
 * the Redis's TIME show. Elsewhere it comes from exchanges of four timestamps with the primary's sidecar, which answers
 * in its own estimate (as in NTP, RFC 5905 §8): the truth lies within half a round trip of the estimate, whatever the
 * way there and back, so the exchange with the shortest round trip tells most. Old exchanges count for less, since
 * clocks drift, and for nothing once a newer one contradicts them.
 *
 * While the process knows nothing, it takes its own clock and says that it may be wrong by anything.
 */
import { create } from '@bufbuild/protobuf'
import { ExchangeClockRequestSchema, type ExchangeClockResponse } from '@perigee/protocol'
import type { PrimaryClock } from '../primary-clock.ts'
import { timestampOf, unixMsOf } from '../wire-time.ts'

/** What the estimate is made from. */
export interface SkewSources {
  /** This host's Unix milliseconds, to fractions of one. */
  hostNowMs(): number
  /** The offset of this region's own Redis, and half its confidence interval, when it is the primary's; else nothing. */
  own(): Offset | undefined
  /** Asks the primary's sidecar. Rejects when it doesn't answer. */
  exchange(request: ReturnType<typeof exchangeRequest>): Promise<ExchangeClockResponse>
}

/** How far another clock is ahead of this host's. */
export interface Offset {
  readonly offsetMs: number
  /** Half of the confidence interval. */
  readonly uncertaintyMs: number
}

interface Exchange extends Offset {
  readonly atMs: number
}

const EXCHANGES_MAX = 30
/** Clocks of ordinary hosts drift apart by up to 50 µs a second each; NTP slews by up to 500. */
const DRIFT_PER_MS = 1e-4
/** Of the timestamps, which are in microseconds. */
const ROUNDING_MS = 0.01

/** This sidecar's estimate of the primary Redis's clock. */
export class SkewEstimate implements PrimaryClock {
  readonly #sources: SkewSources
  #exchanges: Exchange[] = []

  constructor(sources: SkewSources) {
    this.#sources = sources
  }

  nowMs(): number {
    return this.#sources.hostNowMs() + (this.#best()?.offsetMs ?? 0)
  }

  uncertaintyMs(): number {
    return this.#best()?.uncertaintyMs ?? Number.POSITIVE_INFINITY
  }

  /** How far the primary Redis's clock is ahead of this host's, milliseconds; 0 while nothing is known. */
  offsetMs(): number {
    return this.#best()?.offsetMs ?? 0
  }

  /** Makes one exchange, unless this region's own Redis is the primary's. Rejects when the primary doesn't answer. */
  async measure(): Promise<void> {
    if (this.#sources.own()) return
    const sentMs = this.#sources.hostNowMs()
    const response = await this.#sources.exchange(exchangeRequest(sentMs))
    this.#note(sentMs, response, this.#sources.hostNowMs())
  }

  /** Forgets all exchanges: the primary is another one now, whose clock may differ. */
  forget(): void {
    this.#exchanges = []
  }

  #note(sentMs: number, response: ExchangeClockResponse, receivedMs: number): void {
    if (!response.receivedAt || !response.answeredAt) return
    const theirReceivedMs = unixMsOf(response.receivedAt)
    const theirAnsweredMs = unixMsOf(response.answeredAt)
    const roundTripMs = receivedMs - sentMs - (theirAnsweredMs - theirReceivedMs)
    const offsetMs = (theirReceivedMs - sentMs + (theirAnsweredMs - receivedMs)) / 2
    const newest = { offsetMs, uncertaintyMs: Math.max(0, roundTripMs) / 2, atMs: receivedMs }
    // Two that can't both be true: a clock was set in between, and the newer one counts.
    this.#exchanges = this.#exchanges.filter((one) => agree(one, newest))
    this.#exchanges.push(newest)
    if (this.#exchanges.length > EXCHANGES_MAX) this.#exchanges.shift()
  }

  #best(): Offset | undefined {
    const own = this.#sources.own()
    if (own) return own
    const nowMs = this.#sources.hostNowMs()
    let best: Offset | undefined
    for (const { offsetMs, uncertaintyMs, atMs } of this.#exchanges) {
      const grown = uncertaintyMs + drift(atMs, nowMs)
      if (!best || grown < best.uncertaintyMs) best = { offsetMs, uncertaintyMs: grown }
    }
    return best
  }
}

function drift(fromMs: number, toMs: number): number {
  return Math.abs(toMs - fromMs) * DRIFT_PER_MS
}

/** Whether one offset can be within the bounds of both. */
function agree(one: Exchange, other: Exchange): boolean {
  const bothMs = one.uncertaintyMs + other.uncertaintyMs + drift(one.atMs, other.atMs)
  return Math.abs(one.offsetMs - other.offsetMs) <= bothMs + ROUNDING_MS
}

/** The answer to one exchange, by the estimate of the sidecar that is asked. */
export function exchangeAnswer(receivedAtMs: number, clock: PrimaryClock) {
  return { receivedAt: timestampOf(receivedAtMs), answeredAt: timestampOf(clock.nowMs()) }
}

function exchangeRequest(sentMs: number) {
  return create(ExchangeClockRequestSchema, { sentAt: timestampOf(sentMs) })
}
