import { setTimeout as delay } from 'node:timers/promises'
import { create, type DescMethod } from '@bufbuild/protobuf'
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@perigee/protocol'
import { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import { PerigeeError } from './perigee-error.ts'
import type { Transport } from './transport.ts'

/** What `grpc.health.v1` speaks of; the empty name is the sidecar as a whole. */
export const SERVICES = ['', 'perigee.v1.CacheService', 'perigee.v1.SearchService'] as const
export type ServiceName = (typeof SERVICES)[number]

/** The service that must be healthy for a method to be answered. */
export function serviceOf(method: DescMethod): ServiceName {
  return SERVICES.find((name) => name === method.parent.typeName) ?? ''
}

/** How often it is looked whether anything came. */
const LOOK_MS = 250
/** A look that is later than this is late because the process was busy. */
const LATE_MS = 100
/** Looks in a row without a byte after which a sidecar counts as silent: it is asked for a sign of life every second. */
const QUIET_LOOKS_MAX = 10
const FIRST_BACKOFF_MS = 250
const LONGEST_BACKOFF_MS = 2_000
/** A watch that ends sooner than this isn't begun anew at once. */
const SHORT_MS = 1_000
/** How often a sidecar that doesn't know of health is asked again. */
const UNKNOWN_PAUSE_MS = 30_000

/** What is told of a sidecar's health. */
export interface HealthListener {
  /** It answered that a service serves, or not; `undefined` where it doesn't say. */
  served(service: ServiceName, serving: boolean | undefined): void
  /** It can't be reached. */
  lost(error: PerigeeError): void
  /** Nothing came from it for too long, though there is a connection: it is lost, and calls hang there. */
  silent(error: PerigeeError): void
}

/**
 * Watches one sidecar's health, on the connection that calls use, for as long as it is open.
 *
 * Three things tell: `grpc.health.v1` Watch for each service, at once; the connection, when it breaks and can't be made
 * anew; and silence. Silence is what a stopped process, a half-open link or a port that swallows everything have in
 * common, and a watch can't tell it from "nothing new". So it is counted how often in a row nothing at all had come when
 * it was looked. Looks that come late, because this process was busy or paused, count once: what came meanwhile is read
 * before the next one.
 */
export class HealthWatch {
  readonly #endpoint: Endpoint
  readonly #transport: Transport
  readonly #connectTimeoutMs: number
  readonly #listener: HealthListener
  readonly #closed = new AbortController()
  #attempt = new AbortController()
  #looks: NodeJS.Timeout | undefined
  #bytesHeard: number | undefined
  #heardAt = Number.NEGATIVE_INFINITY
  #lookedAt = performance.now()
  #quietLooks = 0

  constructor(options: {
    readonly endpoint: Endpoint
    readonly transport: Transport
    readonly connectTimeoutMs: number
    readonly listener: HealthListener
  }) {
    this.#endpoint = options.endpoint
    this.#transport = options.transport
    this.#connectTimeoutMs = options.connectTimeoutMs
    this.#listener = options.listener
  }

  start(): void {
    this.#looks = setInterval(() => this.#look(), LOOK_MS).unref()
    void this.#run()
  }

  close(): void {
    clearInterval(this.#looks)
    this.#closed.abort()
    this.#attempt.abort()
  }

  /** Whether this process was too busy lately to have read what came: then its own lateness proves nothing. */
  get blind(): boolean {
    return performance.now() - this.#lookedAt > LOOK_MS + LATE_MS
  }

  /** Whether anything came in the last `ms` milliseconds: a sidecar that was heard of is slow, not silent. */
  heardWithin(ms: number): boolean {
    const bytesHeard = this.#transport.bytesHeard(this.#endpoint)
    if (bytesHeard === undefined) return false
    return bytesHeard !== this.#bytesHeard || performance.now() - this.#heardAt < ms
  }

  async #run(): Promise<void> {
    const closed = this.#closed.signal
    for (let failures = 0; !closed.aborted; ) {
      const startedAt = performance.now()
      this.#attempt = new AbortController()
      const { heard, error } = await this.#watchAll(this.#attempt)
      if (closed.aborted) return
      failures = heard ? 0 : failures + 1
      if (!heard) this.#listener.lost(error)
      const short = performance.now() - startedAt < SHORT_MS
      if (failures === 0 && !short) continue
      const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, failures - 1), LONGEST_BACKOFF_MS)
      await pauseUnheld(backoffMs * (0.75 + Math.random() / 2), closed)
    }
  }

  /** Watches all services until one watch ends, and all with it. */
  async #watchAll(attempt: AbortController): Promise<{ heard: boolean; error: PerigeeError }> {
    let heard = false
    const watches = SERVICES.map(async (service) => {
      for await (const serving of this.#watch(service, attempt.signal)) {
        heard = true
        if (!attempt.signal.aborted) this.#listener.served(service, serving)
      }
    })
    const error = await Promise.race(watches).then(
      () => new PerigeeError('the sidecar ended a health watch', { code: 'UNAVAILABLE' }),
      (thrown) => PerigeeError.from(thrown, this.#endpoint.region),
    )
    attempt.abort()
    await Promise.allSettled(watches)
    return { heard, error }
  }

  async *#watch(service: ServiceName, signal: AbortSignal): AsyncGenerator<boolean | undefined> {
    const answers = this.#transport.serverStream(
      this.#endpoint,
      Health.method.watch,
      create(HealthCheckRequestSchema, { service }),
      {
        deadline: Deadline.in(Number.POSITIVE_INFINITY),
        connectTimeoutMs: this.#connectTimeoutMs,
        signal,
        background: true,
      },
    )
    try {
      for await (const { status } of answers) yield meaning(status)
    } catch (error) {
      if (PerigeeError.from(error).code !== 'UNIMPLEMENTED') throw error
      yield undefined
      await pauseUnheld(UNKNOWN_PAUSE_MS, signal)
    }
  }

  #look(): void {
    this.#lookedAt = performance.now()
    const before = this.#bytesHeard
    this.#bytesHeard = this.#transport.bytesHeard(this.#endpoint)
    const quiet = this.#bytesHeard !== undefined && this.#bytesHeard === before
    this.#quietLooks = quiet ? this.#quietLooks + 1 : 0
    if (!quiet) this.#heardAt = this.#lookedAt
    if (this.#quietLooks < QUIET_LOOKS_MAX) return
    this.#quietLooks = 0
    this.#bytesHeard = undefined
    const { address, region } = this.#endpoint
    const forMs = QUIET_LOOKS_MAX * LOOK_MS
    this.#listener.silent(
      new PerigeeError(
        `nothing came from the sidecar at ${address} for ${forMs} ms, not even a ping's answer`,
        {
          code: 'UNAVAILABLE',
          region,
        },
      ),
    )
    this.#attempt.abort()
  }
}

function meaning(status: ServingStatus): boolean | undefined {
  if (status === ServingStatus.SERVING) return true
  return status === ServingStatus.NOT_SERVING ? false : undefined
}

/** Waits without keeping the process alive; ends early, without an error, when the signal fires. */
function pauseUnheld(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { ref: false, signal }).catch(() => {})
}
