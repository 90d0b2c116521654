import type { Socket } from 'node:net'
import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { connectorOf, type RedisWay } from './connector.ts'
import { SilenceWatch } from './silence-watch.ts'

/** Where a Redis is and how its connection behaves. */
export interface RedisConnectionOptions extends RedisWay {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://`. */
  readonly url: string
  /** The connection's name in `CLIENT LIST` and in logs. */
  readonly name: string
  /** How long replies may stay away before the connection is taken for dead, milliseconds. */
  readonly timeoutMs: number
  readonly log: Logger
  /** 2 for pub/sub messages of client tracking; default 3. */
  readonly protocol?: 2 | 3
  /** Also sends commands to a Redis that is loading its data, which answers only a few, INFO among them. Default false. */
  readonly whileLoading?: boolean
}

const CONNECT_TIMEOUT_MS = 1000
const RETRY_MS_MAX = 500
const KEEPALIVE_MS = 5000

/**
 * One connection to a Redis, which comes back by itself.
 *
 * Nothing is queued while it is down: a command is sent at once or refused, and a silent Redis is noticed after
 * `timeoutMs`, so no command hangs. Commands are never sent twice.
 */
export class RedisConnection {
  readonly #redis: Redis
  readonly #log: Logger
  readonly #silence: SilenceWatch
  #started = false
  #connects = 0

  constructor(options: RedisConnectionOptions) {
    this.#log = options.log.child({ redis: options.name })
    this.#redis = new Redis(options.url, {
      connectionName: `perigee-${options.name}`,
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAlive: KEEPALIVE_MS,
      maxLoadingRetryTime: RETRY_MS_MAX,
      protocol: options.protocol ?? 3,
      enableReadyCheck: options.whileLoading !== true,
      retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 10), RETRY_MS_MAX),
      ...connectorOf(options),
    })
    const within = insideOf(this.#redis)
    this.#silence = new SilenceWatch(
      options.timeoutMs,
      () => ({ socket: within.stream, waits: within.commandQueue.length > 0 }),
      () => within.stream?.destroy(new Error(`it said nothing for ${options.timeoutMs} ms`)),
    )
    let down = false
    this.#redis.on('ready', () => {
      this.#connects += 1
      if (down) this.#log.info('connected again')
      down = false
    })
    this.#redis.on('error', (error) => {
      if (!down) this.#log.warn({ error: error.message }, 'not reachable, trying again')
      down = true
    })
  }

  /** Starts to connect, and goes on for ever; returns at once. */
  start(): void {
    if (this.#started) return
    this.#started = true
    this.#silence.start()
    this.#redis.connect().catch(() => {})
  }

  /** Whether a command would be sent now. */
  get ready(): boolean {
    return this.#redis.status === 'ready'
  }

  /** How many times it has connected: each time it may be to another process. */
  get connects(): number {
    return this.#connects
  }

  /** Calls back now if connected, and at every connect. */
  onReady(listener: () => void): void {
    this.#redis.on('ready', listener)
    if (this.ready) listener()
  }

  /** Calls back whenever the connection is lost. */
  onClose(listener: () => void): void {
    this.#redis.on('close', listener)
  }

  /** Calls back with pub/sub messages, as they came. */
  onMessage(listener: (channel: string, message: unknown) => void): void {
    this.#redis.on('messageBuffer', (channel: Buffer, message: unknown) =>
      listener(channel.toString(), message),
    )
  }

  /**
   * Sends a command; strings in the reply are text.
   *
   * @throws RedisFailure
   */
  call(command: string, ...args: readonly Argument[]): Promise<unknown> {
    return this.#send(() => this.#redis.call(command, ...(args as (string | Buffer | number)[])))
  }

  /**
   * Sends a command; strings in the reply are Buffers.
   *
   * @throws RedisFailure
   */
  callBuffer(command: string, ...args: readonly Argument[]): Promise<unknown> {
    return this.#send(() => this.#redis.callBuffer(command, ...(args as (string | Buffer | number)[])))
  }

  /** Sends commands as one MULTI; gives their replies with text strings. */
  async transaction(commands: readonly (readonly [string, ...Argument[]])[]): Promise<unknown[]> {
    return (await this.#send(async () => {
      const multi = this.#redis.multi()
      for (const [command, ...args] of commands) multi.call(command, ...(args as string[]))
      const replies = await multi.exec()
      return (replies ?? []).map(([error, reply]) => {
        if (error) throw error
        return reply
      })
    })) as unknown[]
  }

  /** Drops the connection, so that it starts anew. */
  reset(): void {
    this.#redis.disconnect(true)
  }

  /** Closes it for good. */
  stop(): void {
    this.#silence.stop()
    this.#redis.disconnect()
  }

  async #send<T>(send: () => Promise<T>): Promise<T> {
    if (!this.ready) throw new RedisFailure('down', 'the connection is down')
    try {
      return await send()
    } catch (error) {
      throw RedisFailure.from(error)
    }
  }
}

/** Its connection, and the commands that wait for their replies. */
interface Inside {
  readonly stream: Socket | undefined
  readonly commandQueue: { readonly length: number }
}

/**
 * What ioredis keeps to itself. Its own `socketTimeout` ends a connection whose replies have come and only weren't read yet.
 *
 * @throws when it isn't there: with another version of ioredis a silent Redis must not go unnoticed.
 */
function insideOf(redis: Redis): Inside {
  const inside = redis as unknown as Inside
  if (typeof inside.commandQueue?.length === 'number') return inside
  throw new Error('This version of ioredis hides the commands that wait: a silent Redis would go unnoticed')
}

/** What commands take. */
export type Argument = string | number | Buffer

/**
 * Why a command has no reply: `down` when it was never sent, `lost` when it was sent and nobody knows, `refused`
 * when Redis answered an error.
 */
export class RedisFailure extends Error {
  override name = 'RedisFailure'
  readonly kind: 'down' | 'lost' | 'refused'
  /** The first word of Redis's error, such as `OOM`; empty unless refused. */
  readonly word: string

  constructor(kind: 'down' | 'lost' | 'refused', message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
    this.word = kind === 'refused' ? (/^[A-Z_]+/.exec(message)?.[0] ?? '') : ''
  }

  /** What ioredis threw, told apart. */
  static from(error: unknown): RedisFailure {
    if (error instanceof RedisFailure) return error
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    if (name === 'ReplyError' || name === 'ErrorReply' || name === 'SimpleError') {
      // Without its cause, which holds the command's arguments: callers' data doesn't belong in logs.
      const hint = message.startsWith('NOPERM') ? '; `perigee acl` prints what each user needs' : ''
      return new RedisFailure('refused', `${message}${hint}`)
    }
    if (message.startsWith("Stream isn't writeable"))
      return new RedisFailure('down', message, { cause: error })
    return new RedisFailure('lost', 'the connection was lost', { cause: error })
  }
}
