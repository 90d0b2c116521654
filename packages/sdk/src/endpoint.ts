import type { ServiceName } from './health-watch.ts'
import type { PerigeeError } from './perigee-error.ts'

/** One sidecar's address. */
export interface Endpoint {
  readonly region: string
  /** `host:port`; an IPv6 host stands in brackets. */
  readonly address: string
  /** Of its SRV record: in its region, those with a lower number are asked first. Default 0. */
  readonly priority?: number | undefined
}

/**
 * How an attempt failed: `error`, which a few more of the same make serious; `timeout`, the same, but which says enough of
 * the service asked if nothing at all came from there for longer than a sidecar that lives keeps silent; `overtaken` by
 * another sidecar's answer, which is serious if nothing else comes from there a few times; `unreachable`, which says enough of all of that sidecar's.
 */
export type AttemptFailure = 'error' | 'timeout' | 'overtaken' | 'unreachable'

/**
 * The seam between "which sidecar" and "how to call it": puts the sidecars in the order in which a call should try
 * them, and is told how they did.
 */
export interface EndpointChooser {
  /** The nearest region, whose answers are preferred and region-scoped searches bound to. */
  readonly home: string
  /** Best first; those of one region alone when it is given. Failing ones come last, and are never left out. */
  candidates(service: ServiceName, region?: string): readonly Endpoint[]
  /** The first of {@link candidates} if that is in use, found without looking at all of them. */
  first(service: ServiceName): Endpoint | undefined
  /** Whether there is another candidate beside the first. */
  readonly several: boolean
  /** Whether it isn't put aside. */
  inUse(endpoint: Endpoint, service: ServiceName): boolean
  /** An attempt begins. */
  began(endpoint: Endpoint): void
  /** It ended, in whatever way. */
  ended(endpoint: Endpoint): void
  /** The sidecar answered, be it with a refusal. */
  answered(endpoint: Endpoint, service: ServiceName): void
  /** @param tookMs how long the attempt had taken by then. */
  failed(
    endpoint: Endpoint,
    service: ServiceName,
    error: PerigeeError,
    failure: AttemptFailure,
    tookMs: number,
  ): void
  /** Called when nobody answered: looks for other addresses. Never fails, returns within a second. */
  refresh(): Promise<void>
  /** Why a region has no candidates, for the error message; empty when nothing is known. */
  explain(region?: string): string
}
