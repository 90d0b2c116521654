import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { RedisFailure } from './connection.ts'
import { connectorOf, type RedisWay } from './connector.ts'

/** What one Sentinel says of the master that it watches. */
export interface SentinelAnswer {
  /** `host:port` of the Redis that it names as the master. */
  readonly named: string
  /** Flags of its own row for that very Redis; none when its row is about another. */
  readonly flags: ReadonlySet<string>
  /** `host:port` of the master that a failover which it carries out leaves; none: it carries none out. */
  readonly leaves: string | undefined
  readonly downAfterMs: number
}

/** What one Sentinel knows of a replica, by the replica's INFO, which it reads every 10 s. */
export interface KnownReplica {
  /** `host:port` */
  readonly address: string
  /** Of several, that of the lowest is promoted; 0: never. */
  readonly priority: number
  /** How long ago it read that. */
  readonly infoAgeMs: number
  /**
   * Whether it called itself a master then. A Sentinel that has read so for eight seconds makes a replica of it, also when
   * another one has promoted it in between.
   */
  readonly isMaster: boolean
  /** Whether it doesn't answer that Sentinel. */
  readonly isDown: boolean
  /** Whether it would never be promoted just now: it is down, or has been disconnected from its master for too long. */
  readonly isCutOff: boolean
}

/** What a Sentinel answers when asked for a failover. */
export type FailoverAnswer = 'started' | 'in-progress' | 'no-good-replica'

const CONNECT_TIMEOUT_MS = 1000
/** A replica that has been disconnected for so many times the down-after is never promoted while its master is up. */
const LINK_DOWN_AFTERS = 10
const RETRY_MS_MAX = 500

/** One small connection to a Sentinel, which comes back by itself; nothing is queued while it is down. */
export class Sentinel {
  /** Without its password. */
  readonly title: string
  readonly #redis: Redis
  readonly #master: string

  constructor(
    options: RedisWay & {
      /** `redis://[user:password@]host:port`, or `rediss://` */
      url: string
      /** The name under which it watches the master. */
      master: string
      /** A Sentinel that is silent for this long is asked anew. */
      timeoutMs: number
      log: Logger
    },
  ) {
    this.title = new URL(options.url).host
    this.#master = options.master
    this.#redis = new Redis(options.url, {
      connectionName: 'perigee-sentinel',
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: options.timeoutMs,
      protocol: 2,
      retryStrategy: (attempt) => Math.min(25 * 2 ** Math.min(attempt, 10), RETRY_MS_MAX),
      ...connectorOf(options),
    })
    const log = options.log.child({ sentinel: this.title })
    let down = false
    this.#redis.on('ready', () => {
      if (down) log.info('Sentinel connected again')
      down = false
    })
    this.#redis.on('error', (error) => {
      if (!down) log.warn({ error: error.message }, 'Sentinel not reachable, trying again')
      down = true
    })
  }

  start(): void {
    this.#redis.connect().catch(() => {})
  }

  stop(): void {
    this.#redis.disconnect()
  }

  /**
   * Asks whom it names. While it carries a failover out, its row is still about the old master.
   *
   * @throws RedisFailure
   */
  async ask(): Promise<SentinelAnswer> {
    const [address, row] = await Promise.all([
      this.#call('GET-MASTER-ADDR-BY-NAME', this.#master),
      this.#call('MASTER', this.#master),
    ])
    if (!Array.isArray(address) || !Array.isArray(row)) {
      throw new RedisFailure('refused', `it watches no master named ${this.#master}`)
    }
    return readAnswer(address.map(String), row.map(String))
  }

  /**
   * Asks for a failover, without asking the other Sentinels.
   *
   * @throws RedisFailure
   */
  async failOver(): Promise<FailoverAnswer> {
    try {
      await this.#call('FAILOVER', this.#master)
      return 'started'
    } catch (error) {
      const { word } = RedisFailure.from(error)
      if (word === 'INPROG') return 'in-progress'
      if (word === 'NOGOODSLAVE') return 'no-good-replica'
      throw error
    }
  }

  /** What it knows of the replicas of the master that it names. @throws RedisFailure */
  async replicas(): Promise<KnownReplica[]> {
    const rows = await this.#call('REPLICAS', this.#master)
    return Array.isArray(rows) ? rows.map((row: unknown[]) => readReplica(row.map(String))) : []
  }

  /** Changes how long a Redis must be silent until this Sentinel calls it down. */
  async setDownAfterMs(ms: number): Promise<void> {
    await this.#call('SET', this.#master, 'down-after-milliseconds', String(ms))
  }

  async #call(...args: readonly string[]): Promise<unknown> {
    if (this.#redis.status !== 'ready') throw new RedisFailure('down', 'the connection is down')
    try {
      return await this.#redis.call('SENTINEL', ...args)
    } catch (error) {
      throw RedisFailure.from(error)
    }
  }
}

/** Reads the replies of GET-MASTER-ADDR-BY-NAME and MASTER. */
export function readAnswer(address: readonly string[], row: readonly string[]): SentinelAnswer {
  const fields = fieldsOf(row)
  const named = addressText(address[0] ?? '', address[1] ?? '')
  const about = addressText(fields.get('ip') ?? '', fields.get('port') ?? '')
  const flags = new Set(fields.get('flags')?.split(','))
  return {
    named,
    flags: about === named ? flags : new Set(),
    leaves: flags.has('failover_in_progress') ? about : undefined,
    downAfterMs: Number(fields.get('down-after-milliseconds') ?? 0),
  }
}

/** Reads a row of REPLICAS. */
export function readReplica(row: readonly string[]): KnownReplica {
  const fields = fieldsOf(row)
  const isDown = /s_down|o_down|disconnected/.test(fields.get('flags') ?? '')
  const linkDownMs = Number(fields.get('master-link-down-time') ?? 0)
  const downAfterMs = Number(fields.get('down-after-milliseconds') ?? Number.POSITIVE_INFINITY)
  return {
    address: addressText(fields.get('ip') ?? '', fields.get('port') ?? ''),
    priority: Number(fields.get('slave-priority') ?? 0),
    infoAgeMs: Number(fields.get('info-refresh') ?? Number.POSITIVE_INFINITY),
    isMaster: fields.get('role-reported') === 'master',
    isDown,
    isCutOff: isDown || linkDownMs > downAfterMs * LINK_DOWN_AFTERS,
  }
}

/** A reply of names and values in turn. */
function fieldsOf(row: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>()
  for (let i = 0; i + 1 < row.length; i += 2) fields.set(row[i] as string, row[i + 1] as string)
  return fields
}

function addressText(host: string, port: string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
