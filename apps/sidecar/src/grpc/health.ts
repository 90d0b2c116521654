import { type Server, status, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import type { Logger } from 'pino'
import type { Access } from '../security/access.ts'
import { forKnownCallers } from './known-callers.ts'
import { refusingUnreadable } from './readable-requests.ts'

/** What `grpc.health.v1` speaks of; the empty name is the sidecar as a whole. */
const HEALTH_SERVICES = ['', 'perigee.v1.CacheService', 'perigee.v1.SearchService'] as const

export type HealthServiceName = (typeof HEALTH_SERVICES)[number]

interface Watch {
  emit(event: 'error', error: { code: number; details: string }): unknown
  on(event: 'cancelled' | 'finish' | 'close', listener: () => void): unknown
}

/** `grpc.health.v1`: Check, Watch and List. Everything is NOT_SERVING until told otherwise, and again once it drains. */
export class Health {
  readonly #implementation: HealthImplementation
  readonly #serving = new Map<HealthServiceName, boolean>()
  readonly #watches = new Set<Watch>()
  #draining = false

  constructor() {
    this.#implementation = new HealthImplementation(
      Object.fromEntries(HEALTH_SERVICES.map((name) => [name, 'NOT_SERVING' as const])),
    )
  }

  /** Whether a service is said to serve. */
  serves(service: HealthServiceName): boolean {
    return this.#serving.get(service) ?? false
  }

  /** Says whether a service serves; watchers hear of changes only. */
  set(service: HealthServiceName, serving: boolean): void {
    if (this.#draining || this.serves(service) === serving) return
    this.#serving.set(service, serving)
    this.#implementation.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING')
  }

  /** Whether anyone would hear of a change. */
  get watched(): boolean {
    return this.#watches.size > 0
  }

  /** Says NOT_SERVING for good. */
  drain(): void {
    for (const service of HEALTH_SERVICES) this.set(service, false)
    this.#draining = true
  }

  /** Ends all watches, so that the server can close. */
  endWatches(): void {
    for (const watch of this.#watches) {
      watch.emit('error', {
        code: status.UNAVAILABLE,
        details: 'This sidecar is shutting down; ask another.',
      })
    }
    this.#watches.clear()
  }

  /** Registers the service: Check for everybody, as probes make it; the others for known callers. */
  addToServer(server: Server, known: { access: Access; log: Logger }): void {
    const readable = refusingUnreadable(server)
    const register: Pick<Server, 'addService'> = {
      addService: (definition, { check, ...others }) => {
        const watching = { ...others, watch: this.#remember(others) }
        readable.addService(definition, { ...(check && { check }), ...forKnownCallers(watching, known) })
      },
    }
    this.#implementation.addToServer(register as Server)
  }

  #remember(implementation: UntypedServiceImplementation): (call: Watch) => void {
    const watch = implementation.watch as unknown as (call: Watch) => void
    return (call) => {
      this.#watches.add(call)
      call.on('close', () => this.#watches.delete(call))
      call.on('cancelled', () => this.#watches.delete(call))
      watch(call)
    }
  }
}
