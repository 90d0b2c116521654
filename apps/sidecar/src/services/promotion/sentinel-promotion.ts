/*
 * Makes this region the primary by force where Sentinels choose it: what `SENTINEL FAILOVER` by hand gives, and an operator's
 * word that what is missing then is lost.
 *
 * 1. Unless a majority of the Sentinels names this region's data Redis already, one of them is asked to fail over. Which
 *    replica that promotes is the Sentinels' choice.
 * 2. The claim is given time to be made as always, with what another Redis holds more fetched first.
 * 3. When it isn't, since too many regions are silent or one holds more, it is made all the same, and the fork is recorded.
 *
 * If this process dies in between, the Sentinels' choice stands, and the command goes on from there when it is run again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Claim, whyNot } from '../../primary/claim.ts'
import type { FailoverRequest } from '../../primary/failover-request.ts'
import type { SentinelWatch } from '../../primary/sentinel-watch.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import { refusal, StatusError } from '../../status-error.ts'
import type { PromotionStep } from './promotion.ts'
import { notClaimed } from './refusals.ts'

export interface SentinelPromotionOptions {
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
const FAILOVER_MS = 20_000
/** Longer than one lease, in which nobody may claim, and one question to all regions take. */
const PATIENCE_LEASES = 2
const LOOK_MS = 50

export class SentinelPromotion {
  readonly #options: SentinelPromotionOptions

  constructor(options: SentinelPromotionOptions) {
    this.#options = options
  }

  /** Carries it out, step by step. @throws StatusError: NOT_YET, ABORTED, NO_PRIMARY. */
  async *run({
    force,
    signal,
  }: {
    force: boolean
    signal: AbortSignal
  }): AsyncGenerator<PromotionStep, void> {
    const { region, claim, others } = this.#options
    if (claim.epoch !== undefined) {
      yield { step: `${region} is the primary already`, epoch: claim.epoch }
      return
    }
    const primary = others.find(({ claimed }) => claimed)?.region
    if (!force || primary !== undefined) throw notYet(primary)
    yield* this.#beNamed(signal)
    yield { step: `waiting for the claim of ${region}` }
    await this.#claimedByItself(signal)
    if (claim.epoch === undefined) {
      yield { step: `accepting the loss: ${whyNot(claim.state)}` }
      const clock = await claim.acceptLoss()
      if ('why' in clock) throw notClaimed(region, clock.why)
    }
    yield { step: `${region} is the primary`, epoch: claim.epoch ?? 0 }
  }

  async *#beNamed(signal: AbortSignal): AsyncGenerator<PromotionStep> {
    const { address, region, watch, failover } = this.#options
    const before = this.#named()
    if (before === address) return
    yield { step: `asking a Sentinel to fail over from ${this.#regionAt(before)}` }
    const untilMs = performance.now() + FAILOVER_MS
    while (performance.now() < untilMs && !signal.aborted) {
      failover.ask()
      await delay(LOOK_MS)
      const now = watch.naming?.address
      if (now === address) return
      if (now !== undefined && now !== before) {
        throw new StatusError(
          'ABORTED',
          `The Sentinels promoted ${this.#regionAt(now)} instead of ${region}: which replica they take is their choice. Look at the status; if ${this.#regionAt(now)} takes no writes, promote that one by force.`,
        )
      }
    }
    throw refusal(
      'NO_PRIMARY',
      `The Sentinels don't make ${region} the primary: its log and theirs say why. Run the command again once they can.`,
    )
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

  /** Whom a majority names. @throws StatusError NO_PRIMARY */
  #named(): string {
    const { watch } = this.#options
    if (watch.naming) return watch.naming.address
    const { answer, of } = watch.answering
    throw refusal(
      'NO_PRIMARY',
      `No majority of the Sentinels names a primary (${answer} of ${of} answer), and without one nobody is promoted. Nothing was changed. Bring more of them back.`,
    )
  }

  #regionAt(address: string): string {
    return this.#options.others.find(({ newest }) => newest?.redisAddress === address)?.region ?? address
  }
}

function notYet(primary: string | undefined): StatusError {
  const how = primary
    ? `${primary} is the primary and takes writes. To move it, promoting as planned comes with a later version`
    : 'without force, promoting under Sentinel comes with a later version; with force, what this region lacks then is lost'
  return refusal(
    'NOT_YET',
    `${how}. "SENTINEL FAILOVER" by hand moves it now, to the replica that the Sentinels choose. Nothing was changed.`,
  )
}
