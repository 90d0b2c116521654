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
import { create } from '@bufbuild/protobuf'
import { comparePositions, formatPosition, ORIGIN, type Position, parsePosition } from '@perigee/core'
import { MakeWayRequestSchema, PeerService, Role } from '@perigee/protocol'
import type { Logger } from 'pino'
import { type PeerClient, PeerUnreachable } from '../../grpc/peer-client.ts'
import type { AppointedAuthority } from '../../primary/appointed-authority.ts'
import type { Claim } from '../../primary/claim.ts'
import { decide } from '../../primary/claim-decision.ts'
import type { OtherRegions } from '../../primary/other-regions.ts'
import type { OwnLook, OwnRedis } from '../../primary/own-redis.ts'
import { type MadeWay, OtherPromotion, type WayMaker } from '../../primary/way-maker.ts'
import { readError } from '../../redis/redis-status.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import { StatusError } from '../../status-error.ts'
import { durationOf } from '../../wire-time.ts'
import { holdsNothing, notClaimed, otherPromotion, outdated, type Stake, wouldLose } from './refusals.ts'

/** What has been done; the last one says so and names the epoch. */
export interface PromotionStep {
  readonly step: string
  readonly epoch?: number
}

export interface PromotionOptions {
  readonly region: string
  /** All regions, in the order in which they are asked to make way: two promotions meet at the first. */
  readonly regions: readonly string[]
  readonly claim: Claim
  readonly own: OwnRedis
  readonly appointed: AppointedAuthority
  readonly wayMaker: WayMaker
  readonly others: readonly OtherRegion[]
  /** The same, as claims see them. */
  readonly says: OtherRegions
  readonly peers: PeerClient
  /** Whether this region's Redis may lack what it had acknowledged. */
  readonly mayLack: () => Promise<boolean>
  readonly log: Logger
}

/** For how long others make way: longer than all up to the claim takes. */
const HOLD_MS = 15_000
/** How long up to the claim it may take; the rest is for a claim on its way, which is too late after a lease, and for clocks. */
const CLAIM_WITHIN_MS = 10_000
const MAKE_WAY_TIMEOUT_MS = 2000
/** How long what the old primary took last may take to arrive: so long nobody takes writes. */
const LEVEL_MS = 5000
/** How long regions may take to answer until they count as silent. */
const ASK_MS = 3000
/** How long it is watched whether the others follow. */
const FOLLOW_MS = 10_000
const LOOK_MS = 25
/** Stands for the id of any promotion of the region. */
const ANY = '*'

export class Promotion {
  readonly #options: PromotionOptions
  #running = false

  constructor(options: PromotionOptions) {
    this.#options = options
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
      await this.#endWay(ANY)
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
      const made = await this.#makeWay(id)
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
      yield* this.#followed(ways, epoch, signal)
      yield { step: `${region} is the primary`, epoch }
    } finally {
      if (!claimed) log.warn({ id }, 'this region was not promoted')
      await this.#endWay(id)
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
      if (performance.now() > untilMs || signal.aborted || look.role === 'master') {
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

  /** Watches for a while whether the regions that answer follow. */
  async *#followed(
    regions: readonly string[],
    epoch: number,
    signal: AbortSignal,
  ): AsyncGenerator<PromotionStep> {
    const left = new Set(regions)
    const untilMs = performance.now() + FOLLOW_MS
    while (left.size > 0 && performance.now() < untilMs && !signal.aborted) {
      for (const other of this.#options.others) {
        if (!left.has(other.region) || !other.reachable || other.newest?.redisRole !== Role.REPLICA) continue
        if (positionOf(other.newest.heldPosition).epoch < epoch) continue
        left.delete(other.region)
        yield { step: `${other.region} follows` }
      }
      await delay(LOOK_MS)
    }
    for (const other of left) yield { step: `${other} doesn't follow yet: it will once it can` }
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

  async #makeWay(id: string): Promise<ReadonlyMap<string, MadeWay>> {
    const made = new Map<string, MadeWay>()
    for (const region of this.#options.regions) {
      const way = await this.#makeWayIn(region, id, HOLD_MS)
      if (way) made.set(region, way)
    }
    return made
  }

  async #makeWayIn(region: string, id: string, holdMs: number): Promise<MadeWay | undefined> {
    const { region: own, wayMaker, peers, others } = this.#options
    if (region === own) return wayMaker.makeWay({ region: own, id }, holdMs)
    if (!others.find((other) => other.region === region)?.reachable) return undefined
    const request = create(MakeWayRequestSchema, { region: own, promotionId: id, hold: durationOf(holdMs) })
    try {
      const { heldPosition, released } = await peers.call(region, PeerService.method.makeWay, request, {
        deadlineMs: Date.now() + MAKE_WAY_TIMEOUT_MS,
      })
      return { clock: heldPosition === '' ? undefined : positionOf(heldPosition), released }
    } catch (error) {
      const silent = error instanceof PeerUnreachable || isDataUnavailable(error)
      if (silent) return undefined
      throw error
    }
  }

  /** Nobody makes way any longer than needed. */
  async #endWay(id: string): Promise<void> {
    const { regions, log } = this.#options
    const ended = regions.map((region) =>
      this.#makeWayIn(region, id, 0).catch((error: Error) =>
        log.info({ region, error: error.message }, 'it makes way until its time is over'),
      ),
    )
    await Promise.all(ended)
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

function positionOf(text: string): Position {
  return text === '' ? ORIGIN : (parsePosition(text) ?? ORIGIN)
}

function isDataUnavailable(error: unknown): boolean {
  return error instanceof StatusError && error.details.reason === 'DATA_UNAVAILABLE'
}
