/*
 * Makes this region the primary on an operator's word where Sentinels choose it.
 *
 * As planned, while the primary takes writes:
 *
 * 1. This region's replica gets the priority before all others, and a Sentinel knows of it. That takes up to ten seconds, in
 *    which everything goes on.
 * 2. All regions make way: the primary keeps its claim and holds its writes, which wait in the sidecars. What it took last
 *    arrives here.
 * 3. The Sentinel is asked to fail over. The regions let go.
 * 4. A majority of the Sentinels names this region. The regions let go once more, which says that none but this one is claimed
 *    for a while; it claims as always, and the writes go on. The priority is restored.
 *
 * Invariant: nothing here takes the place of what a claim goes through. What is held and prepared saves time and keeps calls
 * from failing; if any of it is missing, or ends too soon, the claim waits longer, or fetches what another holds more.
 *
 * If this process dies: before 3 the primary takes its writes again after `HOLD_MS`; after it, another sidecar of this region
 * claims, or another region takes over (abandoned-regions.ts). The priority is restored (replica-priority.ts). The caller may go
 * away at any time: past 2 it is finished without one. The same command finishes what is left.
 *
 * By force nothing keeps it: what this region lacks then is lost, and told. Without a primary that is all there is.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions, formatPosition, type Position } from '@perigee/core'
import type { Logger } from 'pino'
import type { SentinelAuthority } from '../../primary/authority.ts'
import type { Claim } from '../../primary/claim.ts'
import { whyNot } from '../../primary/claim-state.ts'
import type { FailoverRequest } from '../../primary/failover-request.ts'
import type { OtherRegions } from '../../primary/other-regions.ts'
import type { OwnRedis } from '../../primary/own-redis.ts'
import type { ReplicaPriority } from '../../primary/replica-priority.ts'
import type { RankingSentinel, SentinelChoice } from '../../primary/sentinel-choice.ts'
import type { SentinelWatch } from '../../primary/sentinel-watch.ts'
import { type MadeWay, OtherPromotion, type WayMaker } from '../../primary/way-maker.ts'
import { readError } from '../../redis/redis-status.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import { followed } from './followers.ts'
import { ForcedPromotion, regionAt } from './forced-promotion.ts'
import { Progress } from './progress.ts'
import type { PromotionStep } from './promotion.ts'
import { brokenOff, notClaimed, otherPromotion, outdated } from './refusals.ts'
import {
  cutOff,
  insteadOf,
  mayNotClaim,
  notConnected,
  notLevel,
  notNamed,
  notPreferred,
  priorityRefused,
} from './sentinel-refusals.ts'
import { ANY_PROMOTION, type Ways } from './ways.ts'

export interface SentinelPromotionOptions {
  readonly region: string
  /** By which the Sentinels know its data Redis. */
  readonly address: string
  readonly claim: Claim
  readonly own: OwnRedis
  readonly authority: SentinelAuthority
  readonly watch: SentinelWatch
  readonly choice: SentinelChoice
  readonly priority: ReplicaPriority
  readonly failover: FailoverRequest
  readonly others: readonly OtherRegion[]
  /** The same, as claims see them. */
  readonly says: OtherRegions
  readonly ways: Ways
  readonly wayMaker: WayMaker
  readonly leaseMs: number
  readonly log: Logger
}

/** How long a Sentinel may take to know of the priority: it reads it every 10 s, and one may have to forget an old role first. */
const KNOWN_MS = 25_000
/** How long no other promotion begins. */
const RESERVED_MS = 30_000
/** How long the primary holds its writes until a Sentinel was asked; then anew. */
const HOLD_MS = 4000
/** How long what the primary took last may take to arrive: so long its writes wait. */
const LEVEL_MS = 1500
/** Confirmations of REPLICATED writes that are under way get so long before the claim is given up. */
const CONFIRMED_MS = 100
/** For how long the regions let go. */
const LET_GO_MS = 6000
/** How long those that don't answer are asked again. */
const SILENT_MS = 500
/** Until when this region must have claimed by their word; the rest is for a claim on its way, and for clocks. */
const CLAIM_WITHIN_MS = 3500
/** How long the Sentinels may take to name this region, and this region to claim, in a promotion as planned. */
const NAMED_MS = 8000
const LOOK_MS = 25

type Steps = AsyncGenerator<PromotionStep, void>

/** That all other regions let go. */
interface LetGo {
  readonly startedMs: number
  readonly atMs: number
  readonly made: ReadonlyMap<string, MadeWay>
}

export class SentinelPromotion {
  readonly #options: SentinelPromotionOptions
  readonly #forced: ForcedPromotion
  #running: Promise<void> | undefined

  constructor(options: SentinelPromotionOptions) {
    this.#options = options
    this.#forced = new ForcedPromotion(options)
  }

  /**
   * Carries it out, step by step; past the point of no return to its end, though nobody listens.
   *
   * @throws StatusError: WOULD_LOSE_WRITES, ABORTED, NO_PRIMARY, DATA_UNAVAILABLE, FAILED_PRECONDITION.
   */
  async *run({ force, signal }: { force: boolean; signal: AbortSignal }): Steps {
    const { region } = this.#options
    if (this.#running) throw otherPromotion(new OtherPromotion(`${region} is being promoted`))
    const { progress, done } = Progress.of(this.#promote(force, signal))
    this.#running = done.finally(() => (this.#running = undefined))
    try {
      yield* progress
    } catch (error) {
      throw error instanceof OtherPromotion ? otherPromotion(error) : readError(error)
    }
  }

  /** Waits until what is under way is finished or undone. */
  async stop(): Promise<void> {
    await this.#running
  }

  async *#promote(force: boolean, signal: AbortSignal): Steps {
    const { region, claim, others, ways, wayMaker } = this.#options
    await claim.refresh()
    if (claim.epoch !== undefined) {
      await ways.end(ANY_PROMOTION)
      yield { step: `${region} is the primary already`, epoch: claim.epoch }
      return
    }
    if (await wayMaker.isOutdated()) throw outdated(region)
    const primary = others.find(({ claimed }) => claimed)?.region
    if (primary === undefined && !force) throw mayNotClaim(region, claim.state, others)
    if (primary === undefined) yield* this.#forced.run(signal)
    else yield* this.#asPlanned(primary, force, signal)
  }

  async *#asPlanned(primary: string, force: boolean, signal: AbortSignal): Steps {
    const { region, priority, ways, log, others } = this.#options
    const id = randomUUID()
    log.warn({ id, primary, force }, 'promoting this region')
    yield { step: `raising the priority of ${region}'s data Redis` }
    await this.#mayBePromoted(primary, force)
    let claimed: number | undefined
    let restored = true
    try {
      await ways.reserve(id, RESERVED_MS)
      await priority.raise().catch((error: Error) => {
        throw priorityRefused(region, error)
      })
      yield { step: 'waiting until a Sentinel knows of it, which takes up to 10 s; writes go on' }
      const sentinel = await this.#preferring(primary, signal)
      if (signal.aborted) throw brokenOff(primary)
      claimed = yield* this.#handOver({ id, primary, sentinel, force })
    } finally {
      if (claimed === undefined) {
        log.warn({ id }, 'this region was not promoted')
        await ways.end(id)
      }
      await priority.restore().catch((error: Error) => {
        restored = false
        log.warn({ error: error.message }, 'the priority is restored once it can be')
      })
    }
    yield {
      step: restored
        ? `restored the priority of ${region}'s data Redis`
        : `the priority of ${region}'s data Redis is restored once it can be`,
    }
    yield* followed(
      others.filter(({ reachable }) => reachable),
      claimed,
      signal,
    )
    yield { step: `${region} is the primary`, epoch: claimed }
  }

  /** Sentinels promote nobody who has been disconnected for long, by force or not. @throws StatusError */
  async #mayBePromoted(primary: string, force: boolean): Promise<void> {
    const { region, own, choice } = this.#options
    const { following } = await own.look()
    if (following) return
    if (!force) throw notConnected(region, primary)
    if (await choice.isCutOff()) throw cutOff(region, primary)
  }

  /** The Sentinel that is to be asked, at the moment to ask it. */
  async #preferring(primary: string, signal: AbortSignal): Promise<RankingSentinel> {
    const { region, choice, others } = this.#options
    // Asking all regions to make way takes about so long, and what the primary took last comes with the answer.
    const leadMs = Math.max(0, ...others.map(({ roundTripMs = 0 }) => roundTripMs))
    const best = await choice.best({ leadMs, timeoutMs: KNOWN_MS, signal })
    if ('sentinel' in best) return best.sentinel
    if (signal.aborted) throw brokenOff(primary)
    throw notPreferred(region, { ...best, rival: best.rival && this.#regionAt(best.rival) })
  }

  /** From here on the primary's writes wait. */
  async *#handOver(options: {
    id: string
    primary: string
    sentinel: RankingSentinel
    force: boolean
  }): AsyncGenerator<PromotionStep, number> {
    const { id, primary, sentinel, force } = options
    const { region, ways, authority, claim, log } = this.#options
    try {
      yield { step: `${primary} holds its writes` }
      const made = await ways.makeAtOnce(id, { holdMs: HOLD_MS, holdsWrites: true })
      const held = made.get(primary)
      if (!held && !force) throw notNamed(region, `${primary} fell silent`)
      // Another sidecar of this region may be further, and a Sentinel that is asked again would promote one more region.
      if (held && !held.holdsWrites) throw notNamed(region, `${primary} has no claim any more`)
      const missing = held?.clock && (await this.#missing(held.clock))
      if (missing && !force) throw notLevel(region, primary, missing)
      yield {
        step: missing
          ? `${region} lacks what ${primary} holds beyond ${formatPosition(missing.own)}, up to ${formatPosition(missing.goal)}: it is fetched if it can be, else lost`
          : `${region} holds all that ${primary} took; asking a Sentinel to hand over`,
      }
      await this.#failOver(sentinel)
      await delay(CONFIRMED_MS)
      const before = await this.#letGo(id)
      yield { step: 'waiting for a majority of the Sentinels' }
      await this.#named(primary)
      await this.#stillLetGo(id, primary, before)
      const epoch = await this.#claimed(force)
      log.warn({ id, epoch }, 'this region was promoted')
      yield { step: `${region} takes writes`, epoch: undefined }
      return epoch
    } finally {
      authority.othersMadeWay(undefined)
      // Once it is claimed, one that died before it doesn't need the others to make way any more either.
      await ways.end(claim.epoch === undefined ? id : ANY_PROMOTION)
      void claim.refresh()
    }
  }

  /** Waits until what the primary took last is here. @returns what is missing, if it doesn't come in time. */
  async #missing(goal: Position): Promise<{ own: Position; goal: Position } | undefined> {
    const untilMs = performance.now() + LEVEL_MS
    for (;;) {
      const { clock } = await this.#options.own.look()
      if (clock && comparePositions(clock, goal) >= 0) return undefined
      if (performance.now() > untilMs) return { own: clock ?? { epoch: 0, seq: 0 }, goal }
      await delay(LOOK_MS)
    }
  }

  /** Asks the Sentinel, or, when it can't just now, another one that prefers this region. */
  async #failOver(first: RankingSentinel): Promise<void> {
    const { choice, region, log } = this.#options
    const rest = choice.preferring().map(({ sentinel }) => sentinel)
    const whys: string[] = []
    for (const sentinel of [first, ...rest.filter((other) => other !== first)]) {
      const answer = await sentinel.failOver().catch((error: Error) => error.message)
      log.info({ sentinel: sentinel.title, answer }, 'asked a Sentinel for a failover')
      if (answer === 'started') return
      whys.push(`${sentinel.title} says ${answer}`)
    }
    throw notNamed(region, whys.join(', '))
  }

  /** The regions let go. @returns when, and what each one held; `undefined` when one doesn't answer. */
  async #letGo(id: string): Promise<LetGo | undefined> {
    const { ways, region, others, says } = this.#options
    const startedMs = performance.now()
    const made = new Map<string, MadeWay>()
    const ask = async (one: string) => {
      const way = await ways.makeIn(one, id, { holdMs: LET_GO_MS }).catch(() => undefined)
      if (way) made.set(one, way)
    }
    const missing = () => others.map((other) => other.region).filter((one) => !made.has(one))
    await Promise.all([region, ...missing()].map(ask))
    // A Sentinel ends all connections to a Redis whose role it changes: a region may be without its own for a moment.
    while (missing().length > 0 && performance.now() < startedMs + SILENT_MS) {
      await delay(LOOK_MS)
      await Promise.all(missing().map(ask))
    }
    if (missing().length > 0) return undefined
    const atMs = performance.now()
    // Their answers are here by the time that they are needed.
    says.since(atMs)
    return { startedMs, atMs, made }
  }

  /**
   * Once this region is named the others let go once more: a Redis that started anew forgot that it had, and may have been
   * claimed while Sentinels still named it. From now on nobody but this region is claimed for a while.
   */
  async #stillLetGo(id: string, primary: string, before: LetGo | undefined): Promise<void> {
    const now = await this.#letGo(id)
    if (!now) return
    const [was, is] = [before, now].map((letGo) => letGo?.made.get(primary)?.clock)
    // Every claim moves the clock. Without one in between, what the others said since then still counts.
    const unclaimed = was && is && comparePositions(was, is) === 0
    const atMs = before && unclaimed ? before.atMs : now.atMs
    this.#options.authority.othersMadeWay({ atMs, untilMs: now.startedMs + CLAIM_WITHIN_MS })
  }

  async #named(before: string): Promise<void> {
    const { watch, address, region } = this.#options
    const untilMs = performance.now() + NAMED_MS
    for (;;) {
      watch.askAll()
      await delay(LOOK_MS)
      const named = watch.naming?.address
      if (named === address) return
      if (named !== undefined && this.#regionAt(named) !== before) {
        throw insteadOf(region, this.#regionAt(named))
      }
      if (performance.now() > untilMs) throw notNamed(region, 'they name no other in time')
    }
  }

  async #claimed(force: boolean): Promise<number> {
    const { claim, region } = this.#options
    const untilMs = performance.now() + NAMED_MS
    while (claim.epoch === undefined && performance.now() < untilMs) {
      await claim.refresh()
      await delay(LOOK_MS)
    }
    if (claim.epoch !== undefined) return claim.epoch
    if (force) return this.#forced.acceptLoss()
    throw notClaimed(region, whyNot(claim.state))
  }

  #regionAt(address: string): string {
    return regionAt(address, this.#options.others)
  }
}
