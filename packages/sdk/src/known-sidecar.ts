import type { AttemptFailure, Endpoint } from './endpoint.ts'
import type { EndpointState, ServiceHealth } from './endpoint-state.ts'
import type { EventListener, ServiceWord } from './event.ts'
import { type HealthListener, HealthWatch, SERVICES, type ServiceName } from './health-watch.ts'
import type { PerigeeError } from './perigee-error.ts'
import { Standing, type Trouble } from './standing.ts'
import type { Transport } from './transport.ts'

const WORDS: ReadonlyMap<ServiceName, ServiceWord> = new Map([
  ['perigee.v1.CacheService', 'cache'],
  ['perigee.v1.SearchService', 'search'],
])

/** A sidecar which was heard of so lately, or while a call waited, is slow, which one call may be. */
const HEARD_MS = 200
/** One that lives is heard of every second, by its answer to a ping: shorter than this, its silence says nothing. */
const PING_PERIOD_MS = 1_250

/** What {@link KnownSidecar} needs. */
export interface KnownSidecarOptions {
  readonly endpoint: Endpoint
  readonly transport: Transport
  readonly connectTimeoutMs: number
  readonly onEvent: EventListener
  /** Called when a service went out of use or came back. */
  readonly onChange: () => void
  /** Whether another sidecar is in use for a service. */
  readonly othersInUse: (service: ServiceName, than: KnownSidecar) => boolean
}

/** One sidecar as this client knows it: its health, how calls to it went, and how many are under way. */
export class KnownSidecar implements HealthListener {
  readonly endpoint: Endpoint
  /** Attempts under way. */
  inFlight = 0
  readonly #options: KnownSidecarOptions
  readonly #watch: HealthWatch
  readonly #standings = new Map<ServiceName, Standing>(SERVICES.map((service) => [service, new Standing()]))
  readonly #said = new Map<ServiceName, boolean | undefined>()
  #failuresInRow = 0
  #lastError: EndpointState['lastError']
  #timer: NodeJS.Timeout | undefined

  constructor(options: KnownSidecarOptions) {
    this.#options = options
    this.endpoint = options.endpoint
    this.#watch = new HealthWatch({ ...options, listener: this })
    this.#watch.start()
  }

  close(): void {
    this.#watch.close()
    clearTimeout(this.#timer)
  }

  /** See {@link Standing.place}. */
  place(service: ServiceName): number {
    return this.#standing(service).place
  }

  answered(service: ServiceName): void {
    this.#failuresInRow = 0
    this.#standing(service).answered()
  }

  /** @param how in what way, and how long the attempt had taken by then. */
  failed(
    service: ServiceName,
    error: PerigeeError,
    { failure, tookMs }: { readonly failure: AttemptFailure; readonly tookMs: number },
  ): void {
    const late = failure === 'timeout' || failure === 'overtaken'
    const heard = this.#watch.heardWithin(Math.max(HEARD_MS, tookMs))
    if ((late && this.#watch.blind) || (failure === 'overtaken' && heard)) return
    this.#failuresInRow += 1
    this.#note(error)
    const mute = tookMs > PING_PERIOD_MS && !this.#watch.heardWithin(PING_PERIOD_MS)
    const certain = failure === 'unreachable' || (failure === 'timeout' && mute)
    this.#change('failed', error, (now) => {
      for (const one of failure === 'unreachable' ? SERVICES : [service]) {
        const alone = !this.#options.othersInUse(one, this)
        this.#standing(one).failed({ certain, alone }, now)
      }
    })
  }

  served(service: ServiceName, serving: boolean | undefined): void {
    this.#said.set(service, serving)
    this.#change('not-serving', undefined, (now) =>
      this.#standing(service).healthIs(serving === false ? 'not-serving' : 'well', now),
    )
  }

  lost(error: PerigeeError): void {
    this.#note(error)
    this.#said.clear()
    this.#change('unreachable', error, (now) => {
      for (const standing of this.#standings.values()) standing.healthIs('unreachable', now)
    })
  }

  silent(error: PerigeeError): void {
    this.lost(error)
    const others = SERVICES.some((service) => this.#options.othersInUse(service, this))
    this.#options.transport.renew(this.endpoint, others)
  }

  get state(): EndpointState {
    const now = performance.now()
    const until = [...this.#standings.values()]
      .filter((standing) => !standing.inUse)
      .map((standing) => standing.backAt ?? now + standing.steadyMs)
    return {
      ...this.endpoint,
      health: {
        cache: this.#health('perigee.v1.CacheService'),
        search: this.#health('perigee.v1.SearchService'),
      },
      ejectedUntil: until.length ? new Date(Date.now() + Math.max(...until) - now) : undefined,
      failuresInRow: this.#failuresInRow,
      inFlight: this.inFlight,
      lastError: this.#lastError,
    }
  }

  #health(service: ServiceName): ServiceHealth {
    const said = this.#said.get(service)
    if (said === undefined) return 'unknown'
    return said ? 'serving' : 'not-serving'
  }

  #note({ message, code }: PerigeeError): void {
    this.#lastError = { message, code, at: new Date() }
  }

  #standing(service: ServiceName): Standing {
    return this.#standings.get(service) as Standing
  }

  get #inUse(): readonly ServiceName[] {
    return SERVICES.filter((service) => this.#standing(service).inUse)
  }

  /** Makes a change, and tells what it changed. */
  #change(why: Trouble, error: PerigeeError | undefined, change: (now: number) => void): void {
    const before = this.#inUse
    const places = SERVICES.map((service) => this.place(service)).join()
    change(performance.now())
    const after = this.#inUse
    const { onEvent, onChange } = this.#options
    const endpoint = this.endpoint
    const out = words(before.filter((service) => !after.includes(service)))
    const back = words(after.filter((service) => !before.includes(service)))
    if (places !== SERVICES.map((service) => this.place(service)).join()) onChange()
    if (out.length) onEvent({ type: 'ejected', endpoint, services: out, why, error })
    if (back.length) onEvent({ type: 'restored', endpoint, services: back })
    this.#schedule()
  }

  /** Looks again when the first service is due to come back. */
  #schedule(): void {
    clearTimeout(this.#timer)
    const due = [...this.#standings.values()].flatMap((standing) => standing.backAt ?? [])
    if (due.length === 0) return
    const look = () =>
      this.#change('failed', undefined, (now) => {
        for (const standing of this.#standings.values()) standing.lookAt(now)
      })
    this.#timer = setTimeout(look, Math.max(1, Math.min(...due) - performance.now() + 1)).unref()
  }
}

function words(services: readonly ServiceName[]): readonly ServiceWord[] {
  return services.flatMap((service) => WORDS.get(service) ?? [])
}
