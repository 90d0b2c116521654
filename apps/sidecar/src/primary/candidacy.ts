import { randomBytes } from 'node:crypto'
import { formatPosition } from '@perigee/core'
import type { Logger } from 'pino'
import { type FunctionLibrary, LIBRARY_VERSION } from '../redis/function-library.ts'
import type { Verdict } from './authority.ts'
import { decide } from './claim-decision.ts'
import type { ClaimMemory } from './claim-memory.ts'
import type { ClaimState } from './claim-state.ts'
import { nextEpoch } from './epoch.ts'
import type { Lease } from './lease.ts'
import type { OwnLook, OwnRedis } from './own-redis.ts'
import { claimedIn, type Rivals } from './rivals.ts'
import { takeWayOut, type WayOut } from './way-out.ts'

/** What an operator accepts. */
export interface Accepted {
  /** That regions are silent. */
  readonly silence: boolean
  /** That what this region's Redis lacks is lost. */
  readonly loss: boolean
}

/** Nothing. */
export const NOTHING_ACCEPTED: Accepted = { silence: false, loss: false }

/** Whatever it takes. */
export const ALL_ACCEPTED: Accepted = { silence: true, loss: true }

/** A look at a Redis that is named and holds no live claim. */
export interface NamedLook {
  readonly look: OwnLook
  readonly verdict: Verdict & { readonly kind: 'named' }
  /** When this sidecar first reached that very process, monotonic milliseconds. */
  readonly reachedMs: number
  readonly accepted: Accepted
}

/** What this region's Redis has to go through, when it is named, until it is claimed. */
export class Candidacy {
  readonly #region: string
  readonly #regions: readonly string[]
  readonly #library: FunctionLibrary
  readonly #own: OwnRedis
  readonly #memory: ClaimMemory
  readonly #lease: Lease
  readonly #rivals: Rivals
  readonly #wayOut: WayOut
  readonly #log: Logger

  constructor(options: {
    region: string
    regions: readonly string[]
    library: FunctionLibrary
    own: OwnRedis
    memory: ClaimMemory
    lease: Lease
    rivals: Rivals
    wayOut: WayOut
    log: Logger
  }) {
    this.#region = options.region
    this.#regions = options.regions
    this.#library = options.library
    this.#own = options.own
    this.#memory = options.memory
    this.#lease = options.lease
    this.#rivals = options.rivals
    this.#wayOut = options.wayOut
    this.#log = options.log
  }

  /** Claims it if nothing keeps it from that. @returns what came of it. @throws RedisFailure */
  async stand({ look, verdict, reachedMs, accepted }: NamedLook): Promise<ClaimState> {
    const newest = await this.#library.newestVersion()
    if (newest > LIBRARY_VERSION) return { kind: 'outdated', version: newest }
    if (!look.loaded) await this.#library.load()
    const { runId, appendsAlways } = await this.#own.process()
    const overAtMs = look.clock ? this.#rivals.overAtMs(verdict) : reachedMs
    // What another one held before the old claim was over, or before this process lived, may be less than it does.
    const now = this.#rivals.since(Math.max(overAtMs ?? performance.now(), reachedMs))
    const decision = decide({
      region: this.#region,
      clock: look.clock,
      mayLack: !appendsAlways && !(await this.#memory.isWhole(runId)),
      indexed: await this.#memory.indexed(),
      othersAreOver: overAtMs !== undefined,
      claimedElsewhere: this.#wayOut.by === 'sentinel' ? undefined : claimedIn(now),
      others: now,
      accepted: this.#wayOut.by === 'nobody' ? { ...accepted, loss: true } : accepted,
    })
    if (decision.do === 'wait') return { kind: 'waiting', why: decision.why }
    if (decision.do === 'regressed') {
      return takeWayOut(this.#wayOut, { region: this.#region, look }, decision.ahead, decision.says)
    }
    if (decision.lost) {
      const lost = { seen: formatPosition(decision.lost), own: look.clock && formatPosition(look.clock) }
      this.#log.warn(lost, 'claiming although newer writes were seen: nobody holds them any more')
    }
    return this.#claim(look, verdict)
  }

  /**
   * Claims it once more, above every epoch that is known, in one step: a live claim is there before it and after it.
   *
   * @returns the new claim; `undefined` when it wasn't made. @throws RedisFailure
   */
  async supersede(look: OwnLook, verdict: Verdict): Promise<ClaimState | undefined> {
    // One that isn't vouched for, or shares its Redis with a newer sidecar, claims nothing.
    if (vouchedUs(verdict, this.#own) === undefined) return undefined
    if ((await this.#library.newestVersion()) > LIBRARY_VERSION) return undefined
    const state = await this.#claim(look, verdict)
    return state.kind === 'claimed' ? state : undefined
  }

  async #claim(look: OwnLook, verdict: Verdict): Promise<ClaimState> {
    const epochs = [
      look.clock?.epoch ?? 0,
      look.newestEpoch,
      await this.#memory.epoch(),
      this.#rivals.newestEpoch(),
    ]
    const known = Math.max(...epochs)
    const ordinal = this.#regions.indexOf(this.#region)
    const epoch = nextEpoch({ nowMs: look.nowUs / 1000, ordinal, known })
    await this.#memory.rememberEpoch(epoch)
    // An empty Redis whose loss was accepted is of the same cluster: sessions are told, not refused.
    const clusterId = (await this.#memory.clusterId()) ?? randomBytes(8).toString('hex')
    const vouched = vouchedUs(verdict, this.#own)
    if (vouched === undefined)
      return { kind: 'waiting', why: 'no majority of the Sentinels vouches for it just now' }
    const appoint = this.#wayOut.by === 'operator' && this.#wayOut.promotions?.appoints(look) === true
    const supersedes = look.live ? look.epoch : undefined
    return this.#lease.take(look, vouched, { epoch, clusterId, appoint, supersedes })
  }
}

/** A time by the Redis's own clock before which nobody vouched for it; `undefined` when nobody does. */
export function vouchedUs(verdict: Verdict, own: OwnRedis): number | undefined {
  if (verdict.kind !== 'named' || verdict.vouchedAtMs === undefined) return undefined
  return own.times.before(verdict.vouchedAtMs)
}
