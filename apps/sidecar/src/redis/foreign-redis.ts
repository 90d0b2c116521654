import { Redis } from 'ioredis'
import { RedisFailure } from './connection.ts'
import { connectorOf, type RedisWay } from './connector.ts'

/** How another region's data Redis is reached. */
export interface ForeignRedisOptions extends RedisWay {
  /** The own data Redis's URL: the same user and password serve in all regions. */
  readonly url: string
  /** `host:port` of the other one. */
  readonly address: string
  readonly timeoutMs: number
}

/** A connection to another region's data Redis that is made for one question and closed after it. */
export class ForeignRedis implements Disposable {
  readonly #redis: Redis
  #code: string | undefined

  constructor(options: ForeignRedisOptions) {
    this.#redis = new Redis(urlAt(options.url, options.address), {
      connectionName: 'perigee-foreign',
      lazyConnect: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      connectTimeout: options.timeoutMs,
      socketTimeout: options.timeoutMs,
      maxRetriesPerRequest: 0,
      protocol: 2,
      retryStrategy: () => null,
      ...connectorOf(options),
    })
    this.#redis.on('error', (error: NodeJS.ErrnoException) => {
      this.#code = error.code
    })
  }

  /** Whether nobody listens there. */
  get refused(): boolean {
    return this.#code === 'ECONNREFUSED'
  }

  /** @throws RedisFailure */
  async connect(): Promise<void> {
    await this.#redis.connect().catch((error: unknown) => {
      throw RedisFailure.from(error)
    })
  }

  /** Sends a command; strings in the reply are text. @throws RedisFailure */
  async call(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#redis.call(command, ...args)
    } catch (error) {
      throw RedisFailure.from(error)
    }
  }

  [Symbol.dispose](): void {
    this.#redis.disconnect()
  }
}

/** A Redis URL with another host and port. */
function urlAt(url: string, address: string): string {
  const at = new URL(url)
  const colon = address.lastIndexOf(':')
  at.hostname = address.slice(0, colon)
  at.port = address.slice(colon + 1)
  return at.href
}
