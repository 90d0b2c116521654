import { create } from '@bufbuild/protobuf'
import { formatPosition, ORIGIN, type Position } from '@perigee/core'
import {
  type RegionalIndex,
  RegionState,
  type RegionStatus,
  RegionStatusSchema,
  Role,
} from '@perigee/protocol'
import type { RedisInfo } from '../redis/redis-info.ts'
import { durationOf } from '../wire-time.ts'
import type { LagMeter } from './lag.ts'
import { Poll } from './poll.ts'

export interface OwnRegionOptions {
  readonly region: string
  /** This sidecar's version. */
  readonly version: string
  /** Whether this region's data Redis holds a live claim. */
  readonly claimed: () => boolean
  /** Whether it may be the primary, but another region holds more. */
  readonly regressed: () => boolean
  /** What keeps it from taking writes though it is to be the primary; empty for nothing. */
  readonly advice: () => string
  /** The newest position of the data Redis, as last seen; `undefined` when it held none. */
  readonly position: () => Position | undefined
  readonly lag: LagMeter
  /** Asks the data Redis for its state. Rejects when it can't answer. */
  readonly info: () => Promise<RedisInfo>
  /** Whether a failure of `info` says that the Redis is loading its data. */
  readonly isLoading: (error: unknown) => boolean
  /** How this region's copies of indexes are. */
  readonly indexes: () => Promise<readonly RegionalIndex[]>
  /** Behind for longer than this, or cut off, a region is stale. */
  readonly staleAfterMs: number
  readonly intervalMs: number
}

/** How this region is, asked in the background. */
export class OwnRegion {
  readonly #options: OwnRegionOptions
  readonly #poll: Poll
  #info: RedisInfo | 'loading' | undefined
  #indexes: readonly RegionalIndex[] = []

  constructor(options: OwnRegionOptions) {
    this.#options = options
    this.#poll = new Poll(() => this.refresh(), options.intervalMs)
  }

  start(): void {
    this.#poll.start()
  }

  stop(): void {
    this.#poll.stop()
  }

  get region(): string {
    return this.#options.region
  }

  get claimed(): boolean {
    return this.#options.claimed()
  }

  /** What the data Redis said last; `undefined` when it didn't answer. */
  get info(): RedisInfo | undefined {
    return this.#info === 'loading' ? undefined : this.#info
  }

  /** How this region's copies of indexes were when last asked. */
  get indexes(): readonly RegionalIndex[] {
    return this.#indexes
  }

  /** Asks now. */
  async refresh(): Promise<void> {
    const { info, isLoading, indexes } = this.#options
    const [answer, described] = await Promise.all([
      info().catch((error: unknown) => (isLoading(error) ? ('loading' as const) : undefined)),
      indexes().catch(() => this.#indexes),
    ])
    this.#info = answer
    this.#indexes = described
  }

  /** The region's status now. */
  status(): RegionStatus {
    const { region, version, position, lag } = this.#options
    const newest = position() ?? ORIGIN
    const measured = lag.lag()
    return create(RegionStatusSchema, {
      region,
      role: this.#role(),
      state: this.#state(),
      epoch: BigInt(newest.epoch),
      position: newest.epoch === ORIGIN.epoch ? '' : formatPosition(newest),
      ...(measured && {
        replicationLag: durationOf(measured.lagMs),
        lagUncertainty: durationOf(measured.uncertaintyMs),
      }),
      indexes: [...this.#indexes],
      version,
      advice: this.#options.advice(),
    })
  }

  #role(): Role {
    if (this.claimed) return Role.PRIMARY
    return this.info?.role === 'replica' ? Role.REPLICA : Role.UNSPECIFIED
  }

  #state(): RegionState {
    const { position, lag, staleAfterMs, regressed } = this.#options
    const info = this.#info
    if (!info) return RegionState.UNREACHABLE
    if (regressed()) return RegionState.REGRESSED
    if (info === 'loading' || info.loading || info.syncing) return RegionState.SYNCING
    if (!position()) return RegionState.SYNCING
    const measured = lag.lag()
    // Without a measure, such as after a start while cut off, only the link tells.
    const behind = measured ? measured.lagMs > staleAfterMs : !info.linkUp
    return info.role === 'replica' && behind ? RegionState.STALE : RegionState.SERVING
  }
}
