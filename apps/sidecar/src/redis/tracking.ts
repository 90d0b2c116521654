import type { Logger } from 'pino'
import { RedisConnection } from './connection.ts'
import type { RedisWay } from './connector.ts'
import type { Keys } from './keys.ts'

/** What tracking tells of. */
export type TrackedKey = 'clock' | 'heartbeat' | 'probe'

type Listener = (key: TrackedKey) => void

const CHANNEL = '__redis__:invalidate'
const POLL_MS = 500

/**
 * Client tracking in broadcast mode: says at once, on replicas too, that the clock, the heartbeat or a lag probe has
 * changed. It may lose notice when the connection breaks, so it says so by itself for all of them after each
 * connect, and twice a second.
 */
export class Tracking {
  readonly #connection: RedisConnection
  readonly #log: Logger
  readonly #names: ReadonlyMap<string, TrackedKey>
  readonly #listeners = new Set<Listener>()
  #poll: NodeJS.Timeout | undefined

  constructor(
    options: RedisWay & {
      url: string
      keys: Keys
      timeoutMs: number
      log: Logger
    },
  ) {
    const { keys, ...connection } = options
    this.#log = options.log
    this.#names = new Map([
      [keys.clock, 'clock'],
      [keys.heartbeat, 'heartbeat'],
      [keys.probe, 'probe'],
    ])
    // Pub/sub messages of RESP 2: ioredis drops RESP 3's invalidations.
    this.#connection = new RedisConnection({ ...connection, name: 'tracking', protocol: 2 })
    this.#connection.onMessage((channel, message) => {
      if (channel === CHANNEL) this.#invalidated(message)
    })
    this.#connection.onReady(() => {
      this.#arm().catch((error: Error) => {
        this.#log.warn({ error: error.message }, 'client tracking refused, asking twice a second instead')
      })
    })
  }

  start(): void {
    this.#connection.start()
    this.#poll = setInterval(() => this.#tellAll(), POLL_MS)
  }

  stop(): void {
    clearInterval(this.#poll)
    this.#connection.stop()
  }

  /** Calls back when a key has, or may have, changed; returns what ends that. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #arm(): Promise<void> {
    const id = await this.#connection.call('CLIENT', 'ID')
    const prefixes = [...this.#names.keys()].flatMap((key) => ['PREFIX', key])
    await this.#connection.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...prefixes)
    await this.#connection.call('subscribe', CHANNEL)
    this.#tellAll()
  }

  #invalidated(message: unknown): void {
    // Without names, all keys are meant: the Redis was flushed, or copied anew.
    if (!Array.isArray(message)) this.#tellAll()
    else {
      for (const key of message) {
        const name = this.#names.get(String(key))
        if (name) this.#tell(name)
      }
    }
  }

  #tellAll(): void {
    for (const name of this.#names.values()) this.#tell(name)
  }

  #tell(key: TrackedKey): void {
    for (const listener of this.#listeners) listener(key)
  }
}
