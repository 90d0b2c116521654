import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { OtherRegions } from './other-regions.ts'
import type { OwnLook } from './own-redis.ts'

/** What others said longer ago doesn't count. */
const FRESH_MS = 2000

/**
 * Lets an old primary follow the new one as soon as that has claimed. Sentinels see to it as well, but they wait for some ten
 * seconds first, in which this region would be left behind.
 */
export class SentinelFollowing {
  readonly #redis: RedisConnection
  readonly #others: OtherRegions
  readonly #log: Logger

  constructor({
    redis,
    others,
    log,
  }: { /** The data Redis. */ redis: RedisConnection; others: OtherRegions; log: Logger }) {
    this.#redis = redis
    this.#others = others
    this.#log = log
  }

  /** @param named `host:port` of the Redis that a majority of the Sentinels names, another one. @throws RedisFailure */
  async mend(look: OwnLook, named: string): Promise<void> {
    if (look.role !== 'master' || look.live) return
    const others = this.#others.since(performance.now() - FRESH_MS).values()
    const hasClaimed = [...others].some(
      (says) =>
        typeof says === 'object' && says.address === named && says.claimedEpoch > (look.clock?.epoch ?? 0),
    )
    if (!hasClaimed) return
    this.#log.info({ primary: named }, 'following the primary')
    const colon = named.lastIndexOf(':')
    const host = named.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
    await this.#redis.call('REPLICAOF', host, named.slice(colon + 1))
  }
}
