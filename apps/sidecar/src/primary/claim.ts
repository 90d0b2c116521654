/**
 * The claim: the right of this region's data Redis process to take writes, kept up by its sidecars.
 *
 * Invariant: a write is done only by a Redis process that holds a live claim on the epoch its clock is of. The claim is
 * in that process's memory alone (`prelude.lua`), so a restart, a promotion or a restore ends it; the lease ends it when
 * no sidecar vouches for the Redis any more. This file asks, decides and acts, again and again; the functions keep the
 * invariant. Which Redis is to be claimed is `authority.ts`'s to say, whether it may be now, `candidacy.ts`'s.
 *
 * A lease's end is reckoned by the Redis's own clock from a time that was read before anything vouched for it, so a call
 * that was held up on its way, or in a paused process, comes too late by itself.
 *
 * If this process dies: before the claim's function call, nothing happened, but for an epoch number that nobody will
 * use; after it, the lease runs out within `leaseMs` unless another sidecar of the region, or this one restarted,
 * joins and renews.
 */
import type { Position } from '@perigee/core'
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { FunctionLibrary } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import type { Authority, Verdict } from './authority.ts'
import { type Accepted, ALL_ACCEPTED, Candidacy, vouchedUs } from './candidacy.ts'
import type { ClaimMemory } from './claim-memory.ts'
import { type Ahead, type ClaimState, sameClaimState, whyNot } from './claim-state.ts'
import type { Farewells } from './farewells.ts'
import type { Gate } from './gate.ts'
import { Handover } from './handover.ts'
import { Lease } from './lease.ts'
import { OperatorsWord } from './operators-word.ts'
import type { OtherRegions } from './other-regions.ts'
import type { OwnLook, OwnRedis } from './own-redis.ts'
import { Rivals } from './rivals.ts'
import type { Promotions, WayOut } from './way-out.ts'

export interface ClaimOptions {
  readonly region: string
  readonly regions: readonly string[]
  readonly leaseMs: number
  readonly renewMs: number
  readonly logEntriesMax: number
  readonly keys: Keys
  /** The data Redis, over a connection of the claim's own. */
  readonly library: FunctionLibrary
  readonly own: OwnRedis
  readonly memory: ClaimMemory
  readonly others: OtherRegions
  readonly authority: Authority
  readonly farewells: Farewells
  readonly gate: Gate
  readonly wayOut: WayOut
  readonly log: Logger
}

/** How soon it looks again when it may claim and must not yet. */
const WAIT_MS = 50

export class Claim {
  readonly #options: ClaimOptions
  readonly #redis: RedisConnection
  readonly #lease: Lease
  readonly #rivals: Rivals
  readonly #candidacy: Candidacy
  readonly #handover = new Handover()
  readonly #word: OperatorsWord
  readonly #listeners = new Set<(state: ClaimState) => void>()
  #state: ClaimState = { kind: 'unreachable', why: 'the connection is down' }
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #stepping: Promise<void> | undefined
  #again = false
  #connectedMs = 0
  /** The process behind the connection, and when it was first reached. */
  #reached: { readonly runId: string; readonly atMs: number } | undefined
  #masterSinceMs: number | undefined

  constructor(options: ClaimOptions) {
    this.#options = options
    this.#redis = options.library.connection
    this.#lease = new Lease(options)
    this.#rivals = new Rivals(options)
    this.#word = new OperatorsWord(options)
    this.#candidacy = new Candidacy({ ...options, lease: this.#lease, rivals: this.#rivals })
    this.#redis.onReady(() => {
      this.#connectedMs = performance.now()
      void this.refresh()
    })
    this.#redis.onClose(() => this.#move({ kind: 'unreachable', why: 'the connection is down' }))
    options.others.onAnswer(() => {
      if (this.#state.kind === 'waiting' || this.#state.kind === 'regressed') this.poke()
    })
  }

  get state(): ClaimState {
    return this.#state
  }

  /** The epoch this sidecar takes for claimed; `undefined` when it knows of no claim, or knows its lease to be over. */
  get epoch(): number | undefined {
    return this.#state.kind === 'claimed' && this.#lease.leftMs > 0 ? this.#state.epoch : undefined
  }

  /** For how long the claim holds without another renewal, milliseconds; 0 without one. */
  get leaseLeftMs(): number {
    return this.epoch === undefined ? 0 : this.#lease.leftMs
  }

  /**
   * The region that the right to write is being handed to, as this region knows; `undefined` while it stays where it is. It
   * is over soon, whatever becomes of it: writes may wait for that.
   */
  get handingTo(): string | undefined {
    return this.#handover.to
  }

  /** Calls back at every change of the state. */
  onChange(listener: (state: ClaimState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    void this.refresh()
  }

  /** Stops renewing: the lease runs out, unless another sidecar of the region renews it. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.settled()
  }

  /** Resolves when what is being asked and decided now is done. */
  async settled(): Promise<void> {
    await this.#stepping
  }

  /** Asks and decides now; at the latest it does so by itself every `renewMs`. */
  refresh(): Promise<void> {
    this.#stepping ??= this.#tick().finally(() => {
      this.#stepping = undefined
      if (this.#again) this.poke()
    })
    return this.#stepping
  }

  /** Something has changed that it depends on: asks and decides now, or again right after. */
  poke(): void {
    this.#again = this.#stepping !== undefined
    if (!this.#stepping) void this.refresh()
  }

  /**
   * Makes the first claim of an empty cluster though regions are silent; of one that has a claim, tells it.
   *
   * @returns the clock, or why there is no claim.
   */
  initialize(): Promise<Position | { readonly why: string }> {
    return this.#word.insist(this, { silence: true, loss: false })
  }

  /**
   * Claims though other regions hold more, or are silent: an operator accepts that what this Redis lacks is lost. The
   * fork is recorded, so that sessions that have seen it are told.
   *
   * @returns the clock, or why there is no claim.
   */
  acceptLoss(): Promise<Position | { readonly why: string }> {
    return this.#word.insist(this, ALL_ACCEPTED)
  }

  /**
   * Claims as soon as may be, as a part of a promotion.
   *
   * @returns the clock, or why there is no claim.
   */
  takeOver(accepted: Accepted): Promise<Position | { readonly why: string }> {
    return this.#word.insist(this, accepted)
  }

  async #tick(): Promise<void> {
    clearTimeout(this.#timer)
    this.#again = false
    if (this.#stopped) return
    try {
      this.#move(await this.#step())
    } catch (error) {
      this.#move({ kind: 'unreachable', why: (error as Error).message })
    }
    const soon = this.#state.kind === 'waiting' || this.#state.kind === 'catching-up'
    const inMs = soon ? Math.min(WAIT_MS, this.#options.renewMs) : this.#options.renewMs
    if (!this.#stopped) this.#timer = setTimeout(() => void this.refresh(), inMs)
  }

  /** One look at the Redis, and what follows from it. */
  async #step(): Promise<ClaimState> {
    if (!this.#redis.ready) return { kind: 'unreachable', why: 'the connection is down' }
    const { own, authority, gate, memory } = this.#options
    const { runId } = await own.process()
    if (this.#reached?.runId !== runId) this.#reached = { runId, atMs: this.#connectedMs }
    const look = await own.look()
    this.#handover.note(look)
    await authority.learn?.(look)
    await memory.note(look, runId)
    this.#masterSinceMs = look.role === 'master' ? (this.#masterSinceMs ?? performance.now()) : undefined
    const verdict = authority.verdict(this.#masterSinceMs ?? performance.now())
    await gate.follow(look, this.#isFurthest(look, verdict))
    const fetching = await this.#goOnCatchingUp(look, verdict)
    if (fetching) return { kind: 'catching-up', ahead: fetching }
    if (look.role === 'replica') {
      await this.#promotions?.mend(look)
      return { kind: 'replica' }
    }
    if (verdict.kind === 'other') return this.#giveWay(look, verdict.who)
    if (look.live) return this.#keep(look, verdict)
    if (verdict.kind === 'unknown') return { kind: 'waiting', why: verdict.why }
    const { makesWay } = look
    if (makesWay && makesWay.region !== this.#options.region && makesWay.untilUs > look.nowUs) {
      return { kind: 'waiting', why: `${makesWay.region} is being promoted` }
    }
    return this.#stand(look, verdict)
  }

  async #stand(look: OwnLook, verdict: Verdict & { kind: 'named' }): Promise<ClaimState> {
    const { own, memory, gate } = this.#options
    const reachedMs = this.#reached?.atMs ?? this.#connectedMs
    const { accepted } = this.#word
    const state = await this.#candidacy.stand({ look, verdict, reachedMs, accepted })
    if (state.kind === 'claimed') {
      this.#handover.end()
      await gate.open()
      await memory.rememberWhole((await own.process()).runId)
    }
    return state
  }

  /** Another one is named: the claim is given up at once. */
  async #giveWay(look: OwnLook, chosen: string): Promise<ClaimState> {
    const { wayOut, log } = this.#options
    if (look.epoch > 0) {
      await this.#lease.release(look.epoch)
      log.info({ epoch: look.epoch, chosen }, 'gave the claim up')
    }
    if (wayOut.by === 'sentinel') await wayOut.following.mend(look, chosen)
    await this.#promotions?.mend(look)
    return { kind: 'not-chosen', chosen }
  }

  get #promotions(): Promotions | undefined {
    const { wayOut } = this.#options
    return wayOut.by === 'operator' ? wayOut.promotions : undefined
  }

  #isOutbid(look: OwnLook): boolean {
    const { by } = this.#options.wayOut
    // Whom a majority of the Sentinels doesn't name will follow this one, whatever it holds.
    return by !== 'nobody' && this.#rivals.leftLaterEpoch(look, { mayHoldMore: by === 'sentinel' })
  }

  /** Whether another is named and nobody holds more than this one: that one fetches from here what it lacks. */
  #isFurthest({ role, clock }: OwnLook, verdict: Verdict): boolean {
    const { wayOut } = this.#options
    if (wayOut.by !== 'sentinel' || verdict.kind !== 'other' || role !== 'master' || !clock) return false
    return this.#rivals.noneIsAhead(clock, this.#reached?.atMs ?? this.#connectedMs)
  }

  /** Keeps a live claim up; above an epoch that another region claimed unheard, it is claimed once more. */
  async #keep(look: OwnLook, verdict: Verdict): Promise<ClaimState> {
    const { own, log } = this.#options
    if (!this.#isOutbid(look)) return this.#lease.renew(look, vouchedUs(verdict, own))
    const anew = await this.#candidacy.supersede(look, verdict)
    if (anew) {
      log.warn({ was: look.epoch }, 'another region claimed a later epoch while it was cut off: claimed anew')
      return anew
    }
    // Another sidecar of the region may have done it in between.
    const now = await own.look()
    if (!now.live) return { kind: 'waiting', why: 'its claim is just over' }
    return this.#lease.renew(now, vouchedUs(verdict, own))
  }

  async #goOnCatchingUp(look: OwnLook, verdict: Verdict): Promise<Ahead | undefined> {
    const { wayOut } = this.#options
    const catchUp = wayOut.by === 'nobody' ? undefined : wayOut.catchUp
    if (!catchUp?.ahead) return undefined
    const { ahead } = catchUp
    const still = await catchUp.goOn(look, verdict.kind !== 'other')
    return still ? ahead : undefined
  }

  #move(state: ClaimState): void {
    if (sameClaimState(state, this.#state)) return
    const level = state.kind === 'regressed' ? 'warn' : 'info'
    this.#options.log[level](
      { from: this.#state.kind, to: state, why: whyNot(state) },
      `claim: ${state.kind}`,
    )
    this.#state = state
    for (const listener of this.#listeners) listener(state)
  }
}
