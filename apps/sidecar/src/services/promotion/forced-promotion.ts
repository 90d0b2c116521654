/*
 * Makes this region the primary by force where Sentinels choose it and no region takes writes: what `SENTINEL FAILOVER` by
 * hand gives, and an operator's word that what is missing then is lost.
 *
 * 1. Unless a majority of the Sentinels names this region's data Redis already, one of them is asked to fail over. Which
 *    replica that promotes is the Sentinels' choice.
 * 2. The claim is given time to be made as always, with what another Redis holds more fetched first.
 * 3. When it isn't, since too many regions are silent or one holds more, it is made all the same, and the fork is recorded.
 *
 * If this process dies in between, the Sentinels' choice stands, and the command goes on from there when it is run again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Claim } from '../../primary/claim.ts'
import { whyNot } from '../../primary/claim-state.ts'
import type { FailoverRequest } from '../../primary/failover-request.ts'
import type { SentinelWatch } from '../../primary/sentinel-watch.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import type { PromotionStep } from './promotion.ts'
import { notClaimed } from './refusals.ts'
import { insteadOf, noMajority, notAccepted, notNamed } from './sentinel-refusals.ts'

export interface ForcedPromotionOptions {
  readonly region: string
  /** By which the Sentinels know its data Redis. */
  readonly address: string
  readonly claim: Claim
  readonly watch: SentinelWatch
  readonly failover: FailoverRequest
  readonly others: readonly OtherRegion[]
  readonly leaseMs: number
}

/** How long the Sentinels may take to name another one. */
const NAMED_MS = 20_000
/** Longer than one lease, in which nobody may claim, and one question to all regions take. */
const PATIENCE_LEASES = 2
const LOOK_MS = 25

export class ForcedPromotion {
  readonly #options: ForcedPromotionOptions

  constructor(options: ForcedPromotionOptions) {
    this.#options = options
  }

  /** Carries it out, step by step; once the caller is gone nothing is accepted. @throws StatusError: ABORTED, CANCELLED, NO_PRIMARY. */
  async *run(signal: AbortSignal): AsyncGenerator<PromotionStep, void> {
    const { region, claim } = this.#options
    yield* this.#beNamed(signal)
    yield { step: `waiting for the claim of ${region}` }
    await this.#claimedByItself(signal)
    if (claim.epoch === undefined) {
      // Nobody is there any more to accept it.
      if (signal.aborted) throw notAccepted(region, whyNot(claim.state))
      yield { step: `accepting the loss: ${whyNot(claim.state)}` }
      await this.acceptLoss()
    }
    yield { step: `${region} is the primary`, epoch: claim.epoch ?? 0 }
  }

  /** Claims though others hold more, or are silent. @returns the epoch. @throws StatusError NO_PRIMARY */
  async acceptLoss(): Promise<number> {
    const clock = await this.#options.claim.acceptLoss()
    if ('why' in clock) throw notClaimed(this.#options.region, clock.why)
    return clock.epoch
  }

  async *#beNamed(signal: AbortSignal): AsyncGenerator<PromotionStep, void> {
    const { address, region, watch, failover, others } = this.#options
    if (!watch.naming) throw noMajority(watch.answering)
    const before = watch.naming.address
    if (before === address) return
    yield { step: `asking a Sentinel to fail over from ${regionAt(before, others)}` }
    const untilMs = performance.now() + NAMED_MS
    while (performance.now() < untilMs && !signal.aborted) {
      failover.ask()
      await delay(LOOK_MS)
      const now = watch.naming?.address
      if (now === address) return
      if (now !== undefined && now !== before) throw insteadOf(region, regionAt(now, others))
    }
    throw notNamed(region, 'their log says why')
  }

  /** Until it is claimed, or has been kept from it for longer than any claim takes. */
  async #claimedByItself(signal: AbortSignal): Promise<void> {
    const { claim, leaseMs } = this.#options
    let sinceMs = performance.now()
    while (claim.epoch === undefined && !signal.aborted) {
      const { kind } = claim.state
      if (kind === 'catching-up') sinceMs = performance.now()
      if (performance.now() - sinceMs > PATIENCE_LEASES * leaseMs) return
      await delay(LOOK_MS)
    }
  }
}

/** The region of a data Redis; its address, when it isn't known. */
export function regionAt(address: string, others: readonly OtherRegion[]): string {
  return others.find(({ newest }) => newest?.redisAddress === address)?.region ?? address
}
