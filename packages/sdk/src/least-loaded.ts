import type { Endpoint } from './endpoint.ts'
import { shuffled } from './shuffled.ts'

/** Sidecars of one region in the order to try them: by priority, then by calls under way, ties at random. */
export function leastLoaded(
  endpoints: readonly Endpoint[],
  inFlight: (endpoint: Endpoint) => number,
): readonly Endpoint[] {
  if (endpoints.length < 2) return endpoints
  return shuffled(endpoints).sort(
    (a, b) => (a.priority ?? 0) - (b.priority ?? 0) || inFlight(a) - inFlight(b),
  )
}
