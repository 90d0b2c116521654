/*
 * Makes this region the primary on an operator's word, where the configuration names the primary (`static`).
 *
 * 1. All regions that answer make way: for a while nobody else claims there, and no other promotion begins. A primary gives
 *    its claim up in the same step and tells how far it got.
 * 2. This region's data Redis fetches that, stops following, and is claimed. The claim writes the appointment in the same
 *    atomic step (appointments.ts), and the fork: what is past it is lost, and sessions that saw it are told.
 * 3. The other regions hear of the appointment, and their Redis follow this one (following.ts).
 *
 * Invariant: without force nothing is lost that a region holds, or that a silent one may hold alone.
 *
 * If this process dies before the claim, the others may claim again once they have made way for long enough, and this
 * region's Redis follows the primary again; after it, the claim's lease is renewed by another sidecar of the region, or this
 * region claims anew when one is back. Both ways the same command finishes what is left.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions, formatPosition, ORIGIN, type Position } from '@perigee/core'
import type { Logger } from 'pino'
import type { AppointedAuthority } from '../../primary/appointed-authority.ts'
import type { Claim } from '../../primary/claim.ts'
import { decide } from '../../primary/claim-decision.ts'
import type { OtherRegions } from '../../primary/other-regions.ts'
import type { OwnLook, OwnRedis } from '../../primary/own-redis.ts'
import { type MadeWay, OtherPromotion, type WayMaker } from '../../primary/way-maker.ts'
import { readError } from '../../redis/redis-status.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import type { StatusError } from '../../status-error.ts'
import { followed } from './followers.ts'
import {
  brokenOff,
  holdsNothing,
  notClaimed,
  otherPromotion,
  outdated,
  type Stake,
  wouldLose,
} from './refusals.ts'
import { ANY_PROMOTION, positionOf, type Ways } from './ways.ts'

/** What has been done; the last one says so and names the epoch. */
export interface PromotionStep {
  readonly step: string
  readonly epoch?: number | undefined
}

export interface PromotionOptions {
  readonly region: string
  readonly ways: Ways
  readonly claim: Claim
  readonly own: OwnRedis
  readonly appointed: AppointedAuthority
  readonly wayMaker: WayMaker
  readonly others: readonly OtherRegion[]
  /** The same, as claims see them. */
  readonly says: OtherRegions
  /** Whether this region's Redis may lack what it had acknowledged. */
  readonly mayLack: () => Promise<boolean>
  readonly log: Logger
}

/** For how long others make way: longer than all up to the claim takes. */
const HOLD_MS = 15_000
/** How long up to the claim it may take; the rest is for a claim on its way, which is too late after a lease, and for clocks. */
const CLAIM_WITHIN_MS = 10_000
/** How long what the old primary took last may take to arrive: so long nobody takes writes. */
const LEVEL_MS = 5000
/** How long regions may take to answer until they count as silent. */
const ASK_MS = 3000
const LOOK_MS = 25

export class Promotion {
  readonly #options: PromotionOptions
  readonly #ways: Ways
  #running = false

  constructor(options: PromotionOptions) {
    this.#options = options
    this.#ways = options.ways
  }

  /**
   * Carries it out, step by step.
   *
   * @throws StatusError: WOULD_LOSE_WRITES, ABORTED while another promotion goes on, DATA_UNAVAILABLE, NO_PRIMARY.
   */
  async *run({
    force,
    signal,
  }: {
    force: boolean
    signal: AbortSignal
  }): AsyncGenerator<PromotionStep, void> {
    const { region } = this.#options
    if (this.#running) throw otherPromotion(new OtherPromotion(`${region} is being promoted`))
    this.#running = true
    try {
      yield* this.#promote({ force, signal })
    } catch (error) {
      throw error instanceof OtherPromotion ? otherPromotion(error) : readError(error)
    } finally {
      this.#running = false
    }
  }

  async *#promote({ force, signal }: { force: boolean; signal: AbortSignal }): AsyncGenerator<PromotionStep> {
    const { region, claim, log } = this.#options
    yield { step: 'asking every region what it holds' }
    await claim.refresh()
    const before = await this.#look()
    if (claim.epoch !== undefined) {
      // One that died after its claim left the others making way.
      await this.#ways.end(ANY_PROMOTION)
      yield { step: `${region} is the primary already`, epoch: claim.epoch }
      return
    }
    if (await this.#options.wayMaker.isOutdated()) throw outdated(region)
    await this.#askAll(signal)
    const old = this.#primary()
    const silent = this.#silent()
    for (const other of silent) yield { step: `${other} is silent` }
    if (!before.clock && this.#stakes().some(({ here, position }) => here && position.epoch > 0)) {
      throw holdsNothing(this.#own(before), this.#stakes())
    }
    if (!force) await this.#refuseLoss(before, old)

    const id = randomUUID()
    log.warn({ id, force, old, silent }, 'promoting this region')
    let claimed = false
    try {
      const untilMs = performance.now() + CLAIM_WITHIN_MS
      const made = await this.#ways.make(id, { holdMs: HOLD_MS })
      const ways = [...made.keys()].filter((other) => other !== region)
      yield { step: ways.length > 0 ? `${ways.join(', ')} made way` : 'no other region answers' }
      if (!force && !made.has(old)) throw this.#wouldLose(before, `${old}, the primary, is silent`)
      const nothingLost = yield* this.#fetch(made.get(old), { old, force, signal })
      yield { step: `claiming in ${region}` }
      const epoch = await this.#claim({
        force,
        nothingLost,
        untilMs,
        allMadeWay: ways.length === this.#options.others.length,
      })
      claimed = true
      log.warn({ id, epoch }, 'this region was promoted')
      const answering = this.#options.others.filter((other) => ways.includes(other.region))
      yield* followed(answering, epoch, signal)
      yield { step: `${region} is the primary`, epoch }
    } finally {
      if (!claimed) log.warn({ id }, 'this region was not promoted')
      // Nor does one that died before it need the others to make way any more.
      await this.#ways.end(claimed ? ANY_PROMOTION : id)
    }
  }

  /** What the old primary took last is fetched. Tells whether nothing can be lost. */
  async *#fetch(
    made: MadeWay | undefined,
    { old, force, signal }: { old: string; force: boolean; signal: AbortSignal },
  ): AsyncGenerator<PromotionStep, boolean> {
    const { region } = this.#options
    const goal = made?.clock
    if (!goal || old === region) return false
    if (isLevel(await this.#look(), goal)) return made.released
    yield { step: `fetching what ${old} took last, up to ${formatPosition(goal)}` }
    const untilMs = performance.now() + LEVEL_MS
    for (;;) {
      const look = await this.#look()
      if (isLevel(look, goal)) return made.released
      if (signal.aborted) throw brokenOff(old)
      if (performance.now() > untilMs || look.role === 'master') {
        if (force) return false
        throw this.#wouldLose(look, `it doesn't get what ${old} holds more`)
      }
      await delay(LOOK_MS)
    }
  }

  /** Past this there is no way back: gives the epoch. */
  async #claim(how: {
    force: boolean
    nothingLost: boolean
    allMadeWay: boolean
    untilMs: number
  }): Promise<number> {
    const { claim, own, appointed } = this.#options
    const othersOverAtMs = how.allMadeWay ? performance.now() : undefined
    appointed.beginPromotion({ othersOverAtMs, untilMs: how.untilMs })
    try {
      const look = await this.#look()
      if (look.role === 'replica') await own.connection.call('REPLICAOF', 'NO', 'ONE')
      const clock = await claim.takeOver({ silence: how.force, loss: how.force || how.nothingLost })
      const after = await this.#look()
      await appointed.learn(after)
      if (!('why' in clock)) return clock.epoch
      const atRisk = claim.state.kind === 'regressed' || claim.state.kind === 'waiting'
      if (!how.force && atRisk) throw this.#wouldLose(after, clock.why)
      throw notClaimed(this.#options.region, clock.why)
    } finally {
      appointed.endPromotion()
    }
  }

  async #look(): Promise<OwnLook> {
    return this.#options.own.look()
  }

  /** Waits until each other region has answered, or is known to be silent. */
  async #askAll(signal: AbortSignal): Promise<void> {
    const sinceMs = performance.now()
    while (performance.now() < sinceMs + ASK_MS && !signal.aborted) {
      if ([...this.#options.says.since(sinceMs).values()].every((now) => now !== 'pending')) return
      await delay(LOOK_MS)
    }
  }

  async #refuseLoss(look: OwnLook, old: string): Promise<void> {
    const { region, says, mayLack } = this.#options
    const others = says.since(Number.NEGATIVE_INFINITY)
    const primary = others.get(old)
    if (old !== region && typeof primary !== 'object') {
      throw this.#wouldLose(look, `${old}, the primary, is silent`)
    }
    // What a primary with a claim has more is fetched.
    if (typeof primary === 'object' && primary.claimedEpoch > 0) return
    const decision = decide({
      ...{ region, clock: look.clock, indexed: ORIGIN, others, othersAreOver: true },
      mayLack: await mayLack(),
      accepted: { silence: false, loss: false },
    })
    if (decision.do === 'claim') return
    throw this.#wouldLose(look, decision.do === 'wait' ? decision.why : `${decision.ahead.region} holds more`)
  }

  /** The region that is to be the primary; if it holds no claim and another one does, that one: it was faster. */
  #primary(): string {
    const { appointed, others } = this.#options
    const claimed = others.filter((other) => other.claimed).map((other) => other.region)
    return claimed.includes(appointed.named) ? appointed.named : (claimed[0] ?? appointed.named)
  }

  #silent(): string[] {
    return this.#options.others.filter(({ reachable }) => !reachable).map(({ region }) => region)
  }

  #own(look: OwnLook): Stake {
    return { region: this.#options.region, here: true, position: look.clock ?? ORIGIN }
  }

  #stakes(): Stake[] {
    return this.#options.others.map(({ region, reachable, newest }) => ({
      ...{ region, here: reachable },
      position: positionOf((reachable ? newest?.heldPosition : newest?.newestPosition) ?? ''),
    }))
  }

  #wouldLose(look: OwnLook, why: string): StatusError {
    return wouldLose(this.#own(look), this.#stakes(), why)
  }
}

function isLevel({ clock }: OwnLook, goal: Position): boolean {
  return clock !== undefined && comparePositions(clock, goal) >= 0
}
