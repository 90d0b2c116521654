import { laterPosition, ORIGIN, type Position, parsePosition } from '@perigee/core'
import type { ClockWatch } from '../redis/clock-watch.ts'
import type { RedisConnection } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import { readError } from '../redis/redis-status.ts'
import type { ClaimMemory } from './claim-memory.ts'
import type { OwnProcess, OwnRedis } from './own-redis.ts'

/** What other regions ask of this one's data Redis before they claim. */
export interface OwnReport extends OwnProcess {
  /** What it holds now; ORIGIN for nothing. */
  readonly held: Position
  /** The newest that it has ever held, as far as this process has seen. */
  readonly everHeld: Position
  readonly role: 'master' | 'replica'
  /** It started anew, and has neither claimed nor followed a primary since. */
  readonly justRestarted: boolean
  /** The highest epoch that was ever claimed in this region, as far as is known. */
  readonly newestClaimedEpoch: number
}

/** Asks the data Redis for it. */
export class OwnReporter {
  readonly #reads: RedisConnection
  readonly #keys: Keys
  readonly #watch: ClockWatch
  readonly #own: OwnRedis
  readonly #memory: ClaimMemory

  constructor(options: {
    reads: RedisConnection
    keys: Keys
    watch: ClockWatch
    own: OwnRedis
    memory: ClaimMemory
  }) {
    this.#reads = options.reads
    this.#keys = options.keys
    this.#watch = options.watch
    this.#own = options.own
    this.#memory = options.memory
  }

  /** @throws StatusError DATA_UNAVAILABLE */
  async read(): Promise<OwnReport> {
    // For the next report: an index Redis that is slow holds nobody up.
    void this.#memory.epoch()
    try {
      const [process, [clock, role]] = await Promise.all([
        this.#own.process(),
        this.#reads.transaction([['GET', this.#keys.clock], ['ROLE']]),
      ])
      const held = (clock ? parsePosition(String(clock)) : undefined) ?? ORIGIN
      return {
        ...process,
        held,
        everHeld: laterPosition(held, this.#watch.newest ?? ORIGIN),
        role: String((role as unknown[])[0]) === 'master' ? 'master' : 'replica',
        justRestarted: !this.#memory.isKnownWhole(process.runId),
        newestClaimedEpoch: this.#memory.knownEpoch,
      }
    } catch (error) {
      throw readError(error)
    }
  }
}
