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

/** The first of {@link leastLoaded} of those in use. @param inFlight `undefined` for one that isn't. */
export function leastLoadedInUse(
  endpoints: readonly Endpoint[],
  inFlight: (endpoint: Endpoint) => number | undefined,
): Endpoint | undefined {
  let best: Endpoint | undefined
  let [bestPriority, bestLoad, ties] = [0, 0, 0]
  for (const endpoint of endpoints) {
    const load = inFlight(endpoint)
    if (load === undefined) continue
    const priority = endpoint.priority ?? 0
    const difference = best ? priority - bestPriority || load - bestLoad : -1
    ties = difference < 0 ? 1 : difference === 0 ? ties + 1 : ties
    // Each of those that tie with equal chance.
    if (difference < 0 || (difference === 0 && Math.random() * ties < 1)) {
      best = endpoint
      bestPriority = priority
      bestLoad = load
    }
  }
  return best
}
