/*
 * This region's data Redis as the one that Sentinels promote next: its `replica-priority`, raised for a promotion and restored.
 *
 * What it was before is kept in the index Redis until it is restored. If this process dies meanwhile, the next one of this
 * region, or another sidecar beside it, restores it some seconds later. A failover in between writes the raised one into the
 * Redis's configuration; so the restored one is written there as well.
 */
import type { Logger } from 'pino'
import { type RedisConnection, RedisFailure } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import { Poll } from '../status/poll.ts'

/** The smallest counts; 0 would be never. */
export const RAISED_PRIORITY = 1
/** For how long it stays raised by itself, and how often a promotion that lives prolongs that. */
const RAISED_MS = 10_000
const PROLONG_MS = 3000
const LOOK_MS = 2000

export class ReplicaPriority {
  readonly #data: RedisConnection
  readonly #memory: RedisConnection
  readonly #keys: Keys
  readonly #log: Logger
  readonly #poll = new Poll(() => this.#restoreLeft(), LOOK_MS)
  #prolong: Poll | undefined

  /** @param options.memory the index Redis. */
  constructor(options: { data: RedisConnection; memory: RedisConnection; keys: Keys; log: Logger }) {
    this.#data = options.data
    this.#memory = options.memory
    this.#keys = options.keys
    this.#log = options.log
  }

  /** Restores what a process that died had raised. */
  start(): void {
    this.#poll.start()
  }

  stop(): void {
    this.#prolong?.stop()
    this.#poll.stop()
  }

  /** Puts it before all others, until it is restored. @throws RedisFailure */
  async raise(): Promise<void> {
    const kept = await this.#kept()
    const before = kept?.priority ?? (await this.#current())
    await this.#keep(before)
    try {
      await this.#data.call('CONFIG', 'SET', 'replica-priority', RAISED_PRIORITY)
    } catch (error) {
      // Refused, it is what it was: there is nothing to restore.
      const { kind } = RedisFailure.from(error)
      if (kind === 'refused' && !kept) await this.#memory.call('DEL', this.#keys.raisedPriority)
      throw error
    }
    this.#prolong = new Poll(() => this.#keep(before), PROLONG_MS)
    this.#prolong.start()
    this.#log.info({ before, raised: RAISED_PRIORITY }, 'raised the replica priority')
  }

  /** Makes it what it was. @throws RedisFailure: it is tried again in the background. */
  async restore(): Promise<void> {
    this.#prolong?.stop()
    const kept = await this.#kept()
    if (!kept) return
    await this.#data.call('CONFIG', 'SET', 'replica-priority', kept.priority)
    try {
      await this.#data.call('CONFIG', 'REWRITE')
    } catch (error) {
      this.#log.warn(
        { error: (error as Error).message, priority: kept.priority },
        "the restored replica-priority isn't written to the configuration: if a failover wrote the raised one there, it counts after the next restart",
      )
    }
    await this.#memory.call('DEL', this.#keys.raisedPriority)
    this.#log.info({ priority: kept.priority }, 'the replica priority is what it was')
  }

  async #keep(priority: number): Promise<void> {
    await this.#memory.call('SET', this.#keys.raisedPriority, `${priority} ${Date.now() + RAISED_MS}`)
  }

  async #restoreLeft(): Promise<void> {
    const kept = await this.#kept()
    if (kept && kept.untilMs < Date.now()) await this.restore()
  }

  async #kept(): Promise<{ priority: number; untilMs: number } | undefined> {
    const text = await this.#memory.call('GET', this.#keys.raisedPriority)
    const [, priority, untilMs] = /^(\d+) (\d+)$/.exec(String(text ?? '')) ?? []
    return priority === undefined ? undefined : { priority: Number(priority), untilMs: Number(untilMs) }
  }

  async #current(): Promise<number> {
    const reply = await this.#data.call('CONFIG', 'GET', 'replica-priority')
    const flat = Array.isArray(reply) ? reply.flat() : Object.entries(reply as object).flat()
    return Number(flat[1] ?? 100)
  }
}
