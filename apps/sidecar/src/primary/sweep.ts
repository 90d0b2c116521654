import type { Logger } from 'pino'
import type { FunctionLibrary } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import type { Claim } from './claim.ts'
import { hostNowMs, type RedisTime } from './redis-time.ts'
import type { Writer } from './writer.ts'

const BATCH = 200
const BATCHES_MAX = 10
const SCAN_COUNT = 500
const DEADLINE_MS = 5000

/**
 * Clears away what nobody may see any more, in small batches, while this region holds the claim: expired chunks (as
 * deletes in the log), old first answers, chunks of dropped indexes, entries of cleared namespaces.
 * Everything it does may be done twice, or by several sidecars at once.
 */
export class Sweep {
  readonly #library: FunctionLibrary
  readonly #keys: Keys
  readonly #claim: Claim
  readonly #writer: Writer
  readonly #redisTime: RedisTime
  readonly #intervalMs: number
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: {
    library: FunctionLibrary
    keys: Keys
    claim: Claim
    writer: Writer
    redisTime: RedisTime
    intervalMs: number
    log: Logger
  }) {
    this.#library = options.library
    this.#keys = options.keys
    this.#claim = options.claim
    this.#writer = options.writer
    this.#redisTime = options.redisTime
    this.#intervalMs = options.intervalMs
    this.#log = options.log
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#tick(), this.#intervalMs)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #tick(): Promise<void> {
    const { epoch } = this.#claim
    if (epoch !== undefined) {
      try {
        await this.#expiredChunks()
        await this.#oldAnswers(epoch)
        await this.#droppedIndexes(epoch)
        await this.#clearedNamespaces(epoch)
      } catch (error) {
        this.#log.warn({ error: (error as Error).message }, 'sweep interrupted, going on at the next one')
      }
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#tick(), this.#intervalMs)
  }

  async #expiredChunks(): Promise<void> {
    for (let batch = 0; batch < BATCHES_MAX && !this.#stopped; batch++) {
      const nowMs = hostNowMs() + this.#redisTime.offsetMs
      const members = await this.#dueMembers(this.#keys.expiring, nowMs)
      const idsOf = Map.groupBy(members, (member) => member.slice(0, member.indexOf(':')))
      for (const [uid, group] of idsOf) {
        const ids = group.map((member) => member.slice(uid.length + 1))
        await this.#writer.expireChunks(uid, ids, { deadlineMs: Date.now() + DEADLINE_MS })
      }
      if (members.length < BATCH) return
    }
  }

  async #oldAnswers(epoch: number): Promise<void> {
    const { clock, done, doneBefore } = this.#keys
    await this.#library.call('forget_answers', [clock, done, doneBefore], [epoch])
  }

  async #droppedIndexes(epoch: number): Promise<void> {
    for (const uid of await this.#members(this.#keys.dropped)) {
      const start = this.#keys.chunk(uid, '')
      await this.#scan(`${start}*`, async (chunkKeys, last) => {
        const keys = [this.#keys.clock, this.#keys.dropped, this.#keys.expiring, ...chunkKeys]
        const ids = chunkKeys.map((key) => key.slice(start.length))
        await this.#library.call('sweep_dropped', keys, [epoch, uid, last ? '1' : '', ...ids])
      })
    }
  }

  async #clearedNamespaces(epoch: number): Promise<void> {
    for (const namespace of await this.#members(this.#keys.clearing)) {
      const cleared = await this.#library.connection.call('GET', this.#keys.cleared(namespace))
      await this.#scan(`${this.#keys.entry(namespace, '')}*`, async (entryKeys, last) => {
        const keys = [this.#keys.clock, this.#keys.cleared(namespace), this.#keys.clearing, ...entryKeys]
        await this.#library.call('sweep_entries', keys, [epoch, namespace, last ? String(cleared) : ''])
      })
    }
  }

  /** Goes over all keys of a pattern, which may hold `{` and `:` but nothing that a glob gives a meaning. */
  async #scan(
    pattern: string,
    visit: (keys: readonly string[], last: boolean) => Promise<void>,
  ): Promise<void> {
    let cursor = '0'
    do {
      const reply = await this.#library.connection.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT)
      const [next, keys] = reply as [string, string[]]
      cursor = next
      if (keys.length > 0 || cursor === '0') await visit(keys, cursor === '0')
    } while (cursor !== '0' && !this.#stopped)
  }

  async #dueMembers(key: string, untilMs: number): Promise<string[]> {
    const args = [key, '-inf', Math.floor(untilMs), 'LIMIT', 0, BATCH]
    return (await this.#library.connection.call('ZRANGEBYSCORE', ...args)) as string[]
  }

  async #members(key: string): Promise<string[]> {
    return (await this.#library.connection.call('SMEMBERS', key)) as string[]
  }
}
