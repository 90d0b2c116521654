import type { Endpoint } from './endpoint.ts'

/** What `grpc.health.v1` says of one service of a sidecar; `unknown` before it said anything, or while it is silent. */
export type ServiceHealth = 'serving' | 'not-serving' | 'unknown'

/** What a client knows of one sidecar. */
export interface EndpointState extends Endpoint {
  /** By service: one whose index is being built still serves its cache. */
  readonly health: { readonly cache: ServiceHealth; readonly search: ServiceHealth }
  /** Others are asked first until then, because it failed; `undefined` when it is in use. */
  readonly ejectedUntil: Date | undefined
  /** Failures since it last answered. */
  readonly failuresInRow: number
  /** Calls and attempts of this client under way there. */
  readonly inFlight: number
  /** Why it failed last, and when; `undefined` when it never did. */
  readonly lastError: { readonly message: string; readonly code: string; readonly at: Date } | undefined
}
