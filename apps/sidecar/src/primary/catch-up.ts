/*
 * Fetching what the old primary has more, when this region's Redis was promoted while that one was alive and ahead: it
 * follows the old one until it is level, stops following, and may be claimed.
 *
 * The old one has let go by then, so what it holds doesn't grow any more; its gate stays open until its role changes. As
 * a rule all of its data is copied, so it is bounded by size and time.
 *
 * If this process dies meanwhile, its Redis goes on following a Redis that nobody names: Sentinel takes it for down after
 * some time and promotes another.
 */
import { comparePositions, type Position } from '@perigee/core'
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { Ahead } from './claim-state.ts'
import type { OtherRegionSays } from './other-regions.ts'
import type { OwnLook } from './own-redis.ts'

export interface CatchUpOptions {
  readonly redis: RedisConnection
  /** The longest it may take. */
  readonly catchUpMs: number
  /** The most memory that the old primary may use. */
  readonly catchUpBytesMax: number
  readonly log: Logger
}

interface Run {
  readonly ahead: Ahead
  readonly address: string
  readonly startedMs: number
}

/** A Redis that was just told to follow may show its old role for so long. */
const TURN_MS = 1000

export class CatchUp {
  readonly #options: CatchUpOptions
  #run: Run | undefined
  #failed: { readonly region: string; readonly position: Position; readonly why: string } | undefined

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  /** What it is fetching now. */
  get ahead(): Ahead | undefined {
    return this.#run?.ahead
  }

  /**
   * Begins to follow the old primary.
   *
   * @returns why it doesn't, or nothing.
   * @throws RedisFailure
   */
  async begin(ahead: Ahead, says: OtherRegionSays): Promise<string | undefined> {
    const { redis, catchUpMs, catchUpBytesMax, log } = this.#options
    if (catchUpMs === 0) return 'PERIGEE_CATCH_UP_MS is 0'
    if (says.usedMemoryBytes > catchUpBytesMax) {
      return `it uses ${says.usedMemoryBytes} bytes, and PERIGEE_CATCH_UP_BYTES_MAX is ${catchUpBytesMax}`
    }
    if (
      this.#failed?.region === ahead.region &&
      comparePositions(this.#failed.position, ahead.position) >= 0
    ) {
      return this.#failed.why
    }
    const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(says.address) ?? []
    log.info({ ahead, from: says.address }, 'following the old primary until level with it')
    await redis.call('REPLICAOF', host, port)
    this.#run = { ahead, address: says.address, startedMs: performance.now() }
    return undefined
  }

  /**
   * Goes on with what was begun.
   *
   * @param named whether this region's Redis is still the one that is named.
   * @returns whether it is still at it.
   * @throws RedisFailure
   */
  async goOn(look: OwnLook, named: boolean): Promise<boolean> {
    const run = this.#run
    if (!run) return false
    const { redis, catchUpMs, log } = this.#options
    const tookMs = performance.now() - run.startedMs
    if (look.role === 'master' && tookMs < TURN_MS) return true
    if (look.role === 'master' || !named || look.follows !== run.address) {
      // Sentinel, or another sidecar of this region, decided otherwise.
      this.#run = undefined
      return false
    }
    const level = look.clock && comparePositions(look.clock, run.ahead.position) >= 0
    if (!level && tookMs < catchUpMs) return true
    if (!level) {
      const why = `it could not be fetched within ${catchUpMs} ms`
      this.#failed = { ...run.ahead, why }
    }
    this.#run = undefined
    await redis.call('REPLICAOF', 'NO', 'ONE')
    log.info({ ahead: run.ahead, level: Boolean(level), tookMs }, 'stopped following the old primary')
    return false
  }
}
