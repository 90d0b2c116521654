import { Redis, ReplyError } from 'ioredis'
import type { Logger } from 'pino'
import { refusal, StatusError } from '../status-error.ts'
import type { CommandBytes } from './command-bytes.ts'
import type { Argument } from './connection.ts'
import { connectorOf, type RedisWay } from './connector.ts'
import { EncodedTransaction } from './encoded-transaction.ts'
import { configGetCommand, configSetCommand, type SearchCommand } from './search-commands.ts'

/** One command, for a batch that is sent at once. */
export type Command = readonly [name: string, ...args: Argument[]]

export interface IndexRedisOptions extends RedisWay {
  readonly url: string
  readonly log: Logger
  /** What CLIENT LIST calls the connection. */
  readonly name: string
  /** After which an unanswered command fails. Default 5,000. */
  readonly commandTimeoutMs?: number
}

/**
 * One connection to the region's index Redis. It reconnects for ever, and takes commands only once the Redis has loaded
 * its data and has agreed to fail searches that it would cut short (by default it answers with part of the hits; the
 * setting is gone after a restart). A command whose answer got lost is never sent again.
 *
 * Every method throws `StatusError`: DATA_UNAVAILABLE when the Redis can't answer, INDEX_BUILDING when it lacks the index.
 */
export class IndexRedis {
  readonly #redis: Redis
  readonly #log: Logger
  #usable = false
  #problem = 'not connected yet'
  #workers = 0
  #open: EncodedTransaction | undefined
  #listeners = new Set<() => void>()

  constructor({ url, log, name, commandTimeoutMs = 5_000, ...way }: IndexRedisOptions) {
    this.#log = log
    this.#redis = new Redis(url, {
      protocol: 2,
      lazyConnect: true,
      connectionName: name,
      keepAlive: 5_000,
      connectTimeout: 2_000,
      commandTimeout: commandTimeoutMs,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt) => Math.min(50 * attempt, 500),
      ...connectorOf(way),
    })
    this.#redis.on('ready', () => void this.#prepare())
    this.#redis.on('close', () => {
      if (this.#usable) this.#lost('the connection is down')
    })
    this.#redis.on('error', (error: Error) => this.#lost(error.message))
  }

  /** Whether commands are taken just now. */
  get usable(): boolean {
    return this.#usable
  }

  /** Worker threads that search beside Redis's own; 0 where the module has none. */
  get workers(): number {
    return this.#workers
  }

  /** Starts connecting; doesn't wait for it. */
  start(): void {
    this.#redis.connect().catch((error: Error) => this.#lost(error.message))
  }

  stop(): void {
    this.#redis.disconnect()
  }

  /** Calls back whenever the connection becomes usable or is lost; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Sends one command; bulk strings come as bytes. */
  async call(...[name, ...args]: Command): Promise<unknown> {
    this.#demandUsable()
    try {
      return await this.#redis.callBuffer(name, ...args)
    } catch (error) {
      throw indexError(error)
    }
  }

  /** Sends a search command and decodes its answer. */
  async search<T>(command: SearchCommand<T>): Promise<T> {
    const [name, ...args] = command.args
    return command.decode(await this.call(name as string, ...args))
  }

  /** Sends commands at once and in order, other connections' commands may come between; bulk strings come as bytes. */
  async batch(commands: readonly Command[]): Promise<unknown[]> {
    this.#demandUsable()
    const pipeline = this.#redis.pipeline()
    for (const [name, ...args] of commands) pipeline.callBuffer(name, ...args)
    const results = (await pipeline.exec().catch(fail)) ?? []
    return results.map(([error, value]) => (error ? fail(error) : value))
  }

  /** Runs commands in one MULTI; false when a key that this connection watched has changed. */
  async transaction(...parts: readonly CommandBytes[]): Promise<boolean> {
    this.open(...parts)
    return await this.run()
  }

  /** Begins a transaction: sends its commands, which {@link run} runs, and every other command takes back. */
  open(...parts: readonly CommandBytes[]): void {
    this.#demandUsable()
    this.#open = new EncodedTransaction(this.#redis, parts)
  }

  /** Whether a transaction is open. */
  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** Runs the transaction that is open; false when a key that this connection watched has changed. */
  async run(): Promise<boolean> {
    const open = this.#open
    this.#open = undefined
    if (!open) throw new Error('no transaction is open')
    return (await open.run().catch(fail)) !== null
  }

  #demandUsable(): void {
    this.#open?.discard()
    this.#open = undefined
    if (this.#usable) return
    throw refusal('DATA_UNAVAILABLE', `this region's index Redis can't answer: ${this.#problem}`)
  }

  async #prepare(): Promise<void> {
    try {
      const [onTimeout, workers] = await Promise.all([
        this.#send(configGetCommand('ON_TIMEOUT')),
        this.#send(configGetCommand('WORKERS')),
      ])
      if (!isFail(onTimeout)) await this.#failOnTimeout()
      await this.#warnOfEviction()
      this.#workers = Number(workers ?? 0)
      this.#usable = true
      this.#log.info({ workers: this.#workers }, 'index Redis is usable')
      this.#tell()
    } catch (error) {
      const hint = 'the index Redis needs RediSearch and must allow FT.CONFIG GET'
      this.#lost(`${error instanceof Error ? error.message : error} (${hint})`)
      this.#redis.disconnect(true)
    }
  }

  /** Sets it where its own configuration doesn't, if this user may. */
  async #failOnTimeout(): Promise<void> {
    const set = await this.#send(configSetCommand('ON_TIMEOUT', 'FAIL')).catch((error: Error) => error)
    const now = await this.#send(configGetCommand('ON_TIMEOUT'))
    if (isFail(now)) return
    const why = set instanceof Error ? ` and won't have it changed: ${set.message}` : ''
    const advice =
      'set search-on-timeout to fail in its configuration, or before Redis 8 `loadmodule …/redisearch.so ON_TIMEOUT FAIL`'
    throw new Error(
      `it keeps ON_TIMEOUT at ${now}${why}; searches it cuts short would go unnoticed: ${advice}`,
    )
  }

  async #send<T>(command: SearchCommand<T>): Promise<T> {
    const [name, ...args] = command.args
    return command.decode(await this.#redis.callBuffer(name as string, ...args))
  }

  /** Copies that Redis evicts are lost without a trace until they are compared with the chunks. */
  async #warnOfEviction(): Promise<void> {
    const info = await this.#redis.info('memory').catch(() => '')
    const policy = /^maxmemory_policy:([\w-]+)/m.exec(info)?.[1]
    if (policy !== undefined && policy !== 'noeviction') {
      this.#log.warn(
        { policy },
        'set the maxmemory-policy of the index Redis to noeviction: it must not drop copies',
      )
    }
  }

  #lost(problem: string): void {
    if (this.#usable || problem !== this.#problem) this.#log.warn({ problem }, 'index Redis is not usable')
    this.#problem = problem
    this.#open = undefined
    if (!this.#usable) return
    this.#usable = false
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

function isFail(onTimeout: string | undefined): boolean {
  return onTimeout?.toLowerCase() === 'fail'
}

function fail(error: unknown): never {
  throw indexError(error)
}

/** What an error of the index Redis means to a caller. @param replied whether Redis itself said so. */
export function indexError(error: unknown, replied = error instanceof ReplyError): StatusError {
  if (error instanceof StatusError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (replied && /no such index|unknown index name/i.test(message)) {
    return refusal('INDEX_BUILDING', "this region's copy of the index is still being built", { cause: error })
  }
  if (replied && /timeout limit was reached/i.test(message)) {
    const text =
      "the search took this region's index Redis too long; narrow its filter or lower k or ef_runtime"
    return refusal('DATA_UNAVAILABLE', text, { cause: error })
  }
  return refusal('DATA_UNAVAILABLE', `this region's index Redis can't answer: ${message}`, { cause: error })
}
