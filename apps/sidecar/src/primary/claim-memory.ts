import { ORIGIN, type Position, parsePosition } from '@perigee/core'
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import type { OwnLook } from './own-redis.ts'

/**
 * What outlives the data Redis and this sidecar: kept in the region's index Redis, shared by the region's sidecars. It
 * may be lost at any time; claims only become more careful then.
 */
export class ClaimMemory {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #log: Logger
  #wholeRun: string | undefined
  #epoch = 0

  constructor({ redis, keys, log }: { redis: RedisConnection; keys: Keys; log: Logger }) {
    this.#redis = redis
    this.#keys = keys
    this.#log = log
  }

  /** The highest epoch that was claimed here; 0 when none is remembered. */
  async epoch(): Promise<number> {
    this.#epoch = Number((await this.#get(this.#keys.claimedEpoch)) ?? this.#epoch)
    return this.#epoch
  }

  /** The same as it was asked for last. */
  get knownEpoch(): number {
    return this.#epoch
  }

  async rememberEpoch(epoch: number): Promise<void> {
    await this.#set(this.#keys.claimedEpoch, String(epoch))
  }

  /** The newest promotion that was heard of here, as text: '' for none; `undefined` when it can't be asked. */
  async appointment(): Promise<string | undefined> {
    try {
      return String((await this.#redis.call('GET', this.#keys.knownAppointment)) ?? '')
    } catch {
      return undefined
    }
  }

  async rememberAppointment(appointment: string): Promise<void> {
    await this.#set(this.#keys.knownAppointment, appointment)
  }

  /** The id of the cluster that the region's copies are of; `undefined` when there are none. */
  async clusterId(): Promise<string | undefined> {
    try {
      return String((await this.#redis.call('HGET', this.#keys.checkpoint, 'cluster')) ?? '') || undefined
    } catch {
      return undefined
    }
  }

  /** The newest position that the region's copies have seen. */
  async indexed(): Promise<Position> {
    try {
      const seen = await this.#redis.call('HGET', this.#keys.checkpoint, 'seen')
      return (seen ? parsePosition(String(seen)) : undefined) ?? ORIGIN
    } catch {
      return ORIGIN
    }
  }

  /** Takes note of a look at a run: one that was claimed in the newest epoch, or follows a primary, lacks nothing from here on. */
  async note(look: OwnLook, runId: string): Promise<void> {
    const claimed = look.newestEpoch > 0 && look.newestEpoch === look.clock?.epoch
    if (look.following || claimed) await this.rememberWhole(runId)
    // Another sidecar, before this one, may have seen it follow a primary that is gone now: other regions ask.
    else await this.isWhole(runId)
  }

  /** Whether that run of the data Redis has claimed, or followed a primary: it lacks nothing that it had acknowledged. */
  async isWhole(runId: string): Promise<boolean> {
    if (this.#wholeRun === runId) return true
    if ((await this.#get(this.#keys.wholeRun)) !== runId) return false
    this.#wholeRun = runId
    return true
  }

  /** The same without asking the index Redis: false when that isn't known yet. */
  isKnownWhole(runId: string): boolean {
    return this.#wholeRun === runId
  }

  async rememberWhole(runId: string): Promise<void> {
    if (this.#wholeRun === runId) return
    this.#wholeRun = runId
    await this.#set(this.#keys.wholeRun, runId)
  }

  async #get(key: string): Promise<string | undefined> {
    try {
      const value = await this.#redis.call('GET', key)
      return value === null ? undefined : String(value)
    } catch {
      return undefined
    }
  }

  async #set(key: string, value: string): Promise<void> {
    try {
      await this.#redis.call('SET', key, value)
    } catch (error) {
      this.#log.warn(
        { key, error: (error as Error).message },
        "the index Redis can't remember this of the claim",
      )
    }
  }
}
