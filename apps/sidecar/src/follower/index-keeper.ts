import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { PrimaryClock } from '../primary-clock.ts'
import type { ChangeLog } from '../redis/change-log.ts'
import { CopyReader } from '../redis/copy-reader.ts'
import { CopyWriter, followerName } from '../redis/copy-writer.ts'
import { IndexRedis } from '../redis/index-redis.ts'
import type { Keys } from '../redis/keys.ts'
import { SearchReader } from '../redis/search-reader.ts'
import type { TlsFiles } from '../tls/tls-files.ts'
import { Follower } from './follower.ts'
import { IndexAudit } from './index-audit.ts'
import { Pace } from './pace.ts'
import { RegionalIndexes } from './regional-indexes.ts'
import { TAG_SEPARATOR } from './tag-value.ts'

export interface IndexKeeperOptions {
  readonly region: string
  /** URL of the index Redis. */
  readonly url: string
  readonly keys: Keys
  readonly changeLog: ChangeLog
  readonly clock: PrimaryClock
  /** How long one search may take, milliseconds. */
  readonly searchTimeoutMs: number
  /** Cut off from the data Redis for longer than this, indexes are stale. */
  readonly staleAfterMs: number
  /** How far the data Redis is behind the primary; `undefined` while unknown. */
  readonly replicationLagMs: () => number | undefined
  /** For `rediss://`. */
  readonly tls?: TlsFiles | undefined
  readonly log: Logger
}

/** One search at a time blocks a connection; only where the module has threads is that worth several. */
const SEARCH_CONNECTIONS = 4
const FOLLOW_TIMEOUT_MS = 30_000
const SEARCH_GRACE_MS = 500

/** All of a sidecar that deals with its region's indexes: connections, follower, and what searches ask. */
export class IndexKeeper {
  /** This region's copies of the indexes. */
  readonly indexes: RegionalIndexes
  readonly follower: Follower
  /** Verifies and rebuilds them. */
  readonly audit: IndexAudit
  readonly #follow: IndexRedis
  readonly #search: readonly IndexRedis[]
  readonly #searches: SearchReader

  constructor(options: IndexKeeperOptions) {
    const { region, url, tls, keys, changeLog, clock, searchTimeoutMs, staleAfterMs, replicationLagMs } =
      options
    const log = options.log.child({ part: 'follower' })
    const pace = new Pace()
    const id = randomUUID()
    this.#follow = new IndexRedis({
      url,
      tls,
      log,
      name: followerName(id),
      commandTimeoutMs: FOLLOW_TIMEOUT_MS,
    })
    const commandTimeoutMs = searchTimeoutMs + SEARCH_GRACE_MS
    this.#search = Array.from(
      { length: SEARCH_CONNECTIONS },
      (_, i) => new IndexRedis({ url, tls, log, name: `perigee-search-${i}`, commandTimeoutMs }),
    )
    this.#searches = new SearchReader({ url, tls, log, name: 'searches', timeoutMs: commandTimeoutMs })
    const copies = new CopyWriter({ redis: this.#follow, keys, tagSeparator: TAG_SEPARATOR })
    const reader = new CopyReader({ connections: this.#search, searches: this.#searches, keys })
    this.follower = new Follower({ id, region, log: changeLog, copies, clock, pace, logger: log })
    this.#follow.onChange(() => this.follower.indexRedisChanged())
    this.indexes = new RegionalIndexes({
      region,
      follower: this.follower,
      log: changeLog,
      reader,
      pace,
      clock,
      staleAfterMs,
      replicationLagMs,
    })
    const { indexes, follower } = this
    this.audit = new IndexAudit({ region, log: changeLog, reader, indexes, follower })
  }

  /** Starts to connect and to follow; waits for nothing. */
  start(): void {
    for (const connection of this.#connections()) connection.start()
    this.#searches.start()
    this.follower.start()
  }

  async stop(): Promise<void> {
    await this.follower.stop()
    for (const connection of this.#connections()) connection.stop()
    this.#searches.stop()
  }

  #connections(): readonly IndexRedis[] {
    return [this.#follow, ...this.#search]
  }
}
