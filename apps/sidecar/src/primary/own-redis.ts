import { type Position, parsePosition } from '@perigee/core'
import type { RedisConnection } from '../redis/connection.ts'
import { type FunctionLibrary, isLibraryMissing } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import { type Appointment, parseAppointment } from './appointments.ts'
import { hostNowMs, type RedisTime } from './redis-time.ts'
import { TimeReadings } from './time-readings.ts'

/** What this region's data Redis says of itself and of its claim. */
export interface OwnLook {
  readonly role: 'master' | 'replica'
  /** Whom a replica follows: `host:port`. */
  readonly follows: string | undefined
  /** A replica is connected to its master and level with what it sends. */
  readonly following: boolean
  /** Whether the functions of this sidecar's version are loaded. */
  readonly loaded: boolean
  /** The epoch claimed in that process, live or run out; 0 for none. */
  readonly epoch: number
  /** Whether that claim is live. */
  readonly live: boolean
  /** The newest epoch that the process was ever claimed in; 0 for none. */
  readonly newestEpoch: number
  readonly nowUs: number
  readonly leaseEndUs: number
  readonly clock: Position | undefined
  /** The newest promotion by an operator that the data tells of. */
  readonly appointment: Appointment | undefined
  /** The promotion that the process made way for last, until when by its clock, and that without what is only prepared. */
  readonly makesWay:
    | { readonly region: string; readonly untilUs: number; readonly handedUntilUs: number }
    | undefined
}

/** What stays the same as long as the process lives. */
export interface OwnProcess {
  readonly runId: string
  /** It syncs its AOF before each answer. */
  readonly appendsAlways: boolean
}

/** Asks this region's data Redis, over the claim's own connection. */
export class OwnRedis {
  readonly connection: RedisConnection
  readonly times = new TimeReadings()
  readonly #library: FunctionLibrary
  readonly #keys: Keys
  readonly #redisTime: RedisTime
  #process: (OwnProcess & { readonly connects: number }) | undefined

  constructor(options: { library: FunctionLibrary; keys: Keys; redisTime: RedisTime }) {
    this.connection = options.library.connection
    this.#library = options.library
    this.#keys = options.keys
    this.#redisTime = options.redisTime
    this.connection.onClose(() => this.times.forget())
  }

  /** The process behind the connection; asked once a connection. @throws RedisFailure while there is none. */
  async process(): Promise<OwnProcess> {
    const { connects, ready } = this.connection
    if (ready && this.#process?.connects === connects) return this.#process
    const info = String(await this.connection.call('INFO', 'server'))
    const runId = /^run_id:(\w+)/m.exec(info)?.[1] ?? ''
    this.#process = { runId, appendsAlways: await this.#appendsAlways(), connects }
    return this.#process
  }

  /** What it says now. Its time is read first, and its role after it. */
  async look(): Promise<OwnLook> {
    const sentMs = hostNowMs()
    const [status, role] = await Promise.all([this.#status(), this.connection.call('ROLE')])
    const receivedMs = performance.now()
    this.times.note(status.nowUs, receivedMs)
    if (status.loaded) {
      const redisMs = status.nowUs / 1000
      this.#redisTime.note({ redisMs, sentMs, receivedMs: performance.timeOrigin + receivedMs })
    }
    const [kind, host, port, state] = (role as unknown[]).map(String)
    if (kind === 'master') return { ...status, role: 'master', follows: undefined, following: false }
    return { ...status, role: 'replica', follows: addressText(host, port), following: state === 'connected' }
  }

  async #status() {
    try {
      const { clock: clockKey, appointment: appointmentKey } = this.#keys
      const reply = (await this.#library.readText('status', [clockKey, appointmentKey], [])) as string[]
      const [epoch, leaseEndUs, nowUs, clock = '', fenced, newestEpoch, appointment, region, ...untils] =
        reply
      return {
        ...{ loaded: true, epoch: Number(epoch), live: fenced === '', newestEpoch: Number(newestEpoch) },
        ...{ nowUs: Number(nowUs), leaseEndUs: Number(leaseEndUs), clock: parsePosition(clock) },
        appointment: parseAppointment(appointment),
        makesWay: region
          ? { region, untilUs: Number(untils[0]), handedUntilUs: Number(untils[1]) }
          : undefined,
      }
    } catch (error) {
      if (!isLibraryMissing(error)) throw error
    }
    // A Redis that lost even the functions is unclaimed.
    const [seconds, us] = (await this.connection.call('TIME')) as string[]
    const clock = (await this.connection.call('GET', this.#keys.clock)) as string | null
    const appointment = (await this.connection.call('GET', this.#keys.appointment)) as string | null
    return {
      ...{ loaded: false, epoch: 0, live: false, newestEpoch: 0, leaseEndUs: 0 },
      ...{ nowUs: Number(seconds) * 1e6 + Number(us), clock: clock ? parsePosition(clock) : undefined },
      ...{ appointment: parseAppointment(appointment), makesWay: undefined },
    }
  }

  async #appendsAlways(): Promise<boolean> {
    try {
      const reply = await this.connection.call('CONFIG', 'GET', 'appendonly', 'appendfsync')
      const flat = Array.isArray(reply) ? reply.flat() : Object.entries(reply as object).flat()
      const setting = (name: string) => flat[flat.indexOf(name) + 1]
      return setting('appendonly') === 'yes' && setting('appendfsync') === 'always'
    } catch {
      // A managed Redis may refuse to tell.
      return false
    }
  }
}

function addressText(host = '', port = ''): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
