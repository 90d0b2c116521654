import type { LookedUp } from './address-book.ts'
import type { DnsQuestion } from './discovery.ts'
import type { EndpointState } from './endpoint-state.ts'
import { explanationSteps } from './explanation-steps.ts'
import type { OwnRegion } from './own-region.ts'

/** Why sidecars are asked in the order in which they are: what `perigee.explain()` gives. */
export interface ConnectionExplanation {
  /** Where this client takes itself to be, and what said so. */
  readonly here: OwnRegion
  /** What put the regions in order: their distance from here on the globe, or the round trip to each. */
  readonly judgedBy: 'distance' | 'round-trip'
  /** All regions, nearest first. The first one is home: its answers are preferred. */
  readonly regions: readonly RegionExplanation[]
  /** All sidecars, in the order in which a call of a cache would try them now. */
  readonly endpoints: readonly EndpointExplanation[]
  /** Their addresses, in the order in which a search would: one whose index is out may well serve its cache. */
  readonly searchOrder: readonly string[]
  /** All of this in words, step by step. */
  readonly steps: readonly ExplanationStep[]
}

/** What is known of a region. */
export interface RegionExplanation {
  readonly region: string
  /** By great circle from here; `undefined` when either place is unknown. */
  readonly distanceKm: number | undefined
  /** The shortest that was measured; `undefined` when none was. */
  readonly roundTripMs: number | undefined
  /** What DNS said when it was asked last: see {@link DnsQuestion}. None for addresses given as a list. */
  readonly questions: readonly DnsQuestion[]
  /** When that was, how long it took, and why it gave no address, if it didn't. */
  readonly lookedUpAt: Date | undefined
  readonly lookupTookMs: number | undefined
  readonly lookupError: string | undefined
  /** Answers that can't be used, and why. */
  readonly ignored: readonly string[]
  /** Addresses in use; of an earlier answer when the last one had none. */
  readonly addresses: readonly string[]
  /** Addresses that DNS no longer names, as the region's last resort until a newer one has answered. */
  readonly formerAddresses: readonly string[]
}

/** One sidecar, with what was measured now if that was asked for. */
export interface EndpointExplanation extends EndpointState {
  readonly roundTripMs: number | undefined
  /** Why it could not be measured. */
  readonly roundTripError: string | undefined
}

/** One step of the way to an order. */
export interface ExplanationStep {
  readonly says: string
  readonly details: readonly string[]
}

/** How {@link ConnectionExplanation} is to be made. */
export interface ExplainOptions {
  /** Asks DNS anew and measures the round trip to every sidecar first: takes two or three seconds at most. Default: no. */
  readonly measure?: boolean | undefined
}

/** What the order rests on, as whoever ordered them knows it. */
export interface OrderReasons {
  /** Nearest first. */
  readonly order: readonly string[]
  /** From here in km, −1 for the own region; `undefined` when it was not by distance. */
  readonly distancesKm: ReadonlyMap<string, number> | undefined
  /** In milliseconds, by region. */
  readonly roundTrips: ReadonlyMap<string, number>
  readonly endpoints: readonly EndpointState[]
  readonly searchOrder: readonly string[]
  addressesOf(region: string): readonly string[]
  formerOf(region: string): readonly string[]
  lookedUp(region: string): LookedUp | undefined
}

/** A round trip in milliseconds, or why there is none. */
export type Measured = number | Error

/** Puts together what is known. */
export function explanationOf(
  here: OwnRegion,
  reasons: OrderReasons,
  measured: ReadonlyMap<string, Measured>,
): ConnectionExplanation {
  const endpoints = reasons.endpoints.map((state) => {
    const trip = measured.get(state.address)
    return {
      ...state,
      roundTripMs: typeof trip === 'number' ? trip : undefined,
      roundTripError: trip instanceof Error ? trip.message : undefined,
    }
  })
  const regions = reasons.order.map((region) => regionOf(region, reasons, endpoints))
  const judgedBy = reasons.distancesKm ? ('distance' as const) : ('round-trip' as const)
  const { searchOrder } = reasons
  const facts = { here, judgedBy, regions, endpoints, searchOrder }
  return { ...facts, steps: explanationSteps(facts) }
}

function regionOf(
  region: string,
  reasons: OrderReasons,
  endpoints: readonly EndpointExplanation[],
): RegionExplanation {
  const lookedUp = reasons.lookedUp(region)
  const km = reasons.distancesKm?.get(region)
  const trips = endpoints.flatMap((e) => (e.region === region ? (e.roundTripMs ?? []) : []))
  const before = reasons.roundTrips.get(region)
  const shortest = Math.min(...trips, before ?? Number.POSITIVE_INFINITY)
  return {
    region,
    distanceKm: km === undefined ? undefined : Math.max(0, km),
    roundTripMs: Number.isFinite(shortest) ? shortest : undefined,
    questions: lookedUp?.questions ?? [],
    lookedUpAt: lookedUp?.at,
    lookupTookMs: lookedUp?.tookMs,
    lookupError: lookedUp?.error?.message,
    ignored: lookedUp?.ignored ?? [],
    addresses: reasons.addressesOf(region),
    formerAddresses: reasons.formerOf(region),
  }
}
