import { coordinatesOf, distanceKm } from '@perigee/core'
import { AddressBook } from './address-book.ts'
import { Deadline } from './deadline.ts'
import type { Discovery } from './discovery.ts'
import type { AttemptFailure, Endpoint, EndpointChooser } from './endpoint.ts'
import type { EventListener } from './event.ts'
import type { Measured, OrderReasons } from './explanation.ts'
import { SERVICES, type ServiceName } from './health-watch.ts'
import { KnownSidecar } from './known-sidecar.ts'
import { leastLoaded, leastLoadedInUse } from './least-loaded.ts'
import { within } from './pause.ts'
import type { PerigeeError } from './perigee-error.ts'
import type { Transport } from './transport.ts'

const MEASURE_INTERVAL_MS = 30_000
const REFRESH_TIMEOUT_MS = 1_000
const ROUND_TRIP_SAMPLES = 3
/** Of one region: one that is down says nothing of the others. */
const MEASURED_SIDECARS = 3

/** What {@link NearestFirst} needs. */
export interface NearestFirstOptions {
  readonly regions: readonly string[]
  /** The region the caller is in, if it said so; it need not be one of `regions`. */
  readonly region?: string | undefined
  readonly discovery: Discovery
  readonly transport: Transport
  readonly connectTimeoutMs: number
  readonly onEvent: EventListener
}

/**
 * Orders sidecars by their region's nearness: the caller's own region, then by distance on the globe where both
 * places are known, else by measured round trip; within a region, those with fewer calls under way first. One that
 * isn't well comes after all that are, until it has been well for a while.
 */
export class NearestFirst implements EndpointChooser {
  readonly #options: NearestFirstOptions
  /** Who is where. */
  readonly #book: AddressBook
  readonly #roundTrips = new Map<string, number>()
  readonly #sidecars = new Map<string, KnownSidecar>()
  /** Whether any sidecar isn't in use. */
  #troubled = false
  #closed = false
  #order: readonly string[]
  #timer: NodeJS.Timeout | undefined

  constructor(options: NearestFirstOptions) {
    this.#options = options
    this.#order = options.regions
    const { regions, discovery, onEvent } = options
    this.#book = new AddressBook({ regions, discovery, onEvent, onChange: () => this.#addressesChanged() })
  }

  /** Looks up every region, and measures round trips if the order depends on them. Takes two seconds at most. */
  async start(): Promise<void> {
    await this.#book.start()
    const distances = this.#distances()
    if (distances) this.#orderBy(distances)
    else await this.#measure()
    this.#schedule()
  }

  get home(): string {
    return this.#order[0] ?? ''
  }

  get order(): readonly string[] {
    return this.#order
  }

  candidates(service: ServiceName, region?: string): readonly Endpoint[] {
    return this.#wellFirst(this.#nearest(region), service)
  }

  first(service: ServiceName): Endpoint | undefined {
    for (const region of this.#order) {
      const first = leastLoadedInUse(this.#book.endpoints(region), (endpoint) => {
        const sidecar = this.#sidecars.get(endpoint.address)
        return sidecar?.place(service) === 0 ? sidecar.inFlight : undefined
      })
      if (first || this.#book.former(region).length > 0) return first
    }
    return undefined
  }

  get several(): boolean {
    return this.#sidecars.size > 1
  }

  #nearest(region?: string): readonly Endpoint[] {
    const regions = region === undefined ? this.#order : [region]
    const inFlight = (endpoint: Endpoint) => this.#sidecars.get(endpoint.address)?.inFlight ?? 0
    return regions.flatMap((r) => {
      const known = leastLoaded(this.#book.endpoints(r), inFlight)
      const former = this.#book.former(r)
      return former.length ? [...known, ...former] : known
    })
  }

  #wellFirst(all: readonly Endpoint[], service: ServiceName): readonly Endpoint[] {
    if (!this.#troubled) return all
    const place = (endpoint: Endpoint) => this.#sidecars.get(endpoint.address)?.place(service) ?? 0
    return all.toSorted((a, b) => place(a) - place(b))
  }

  /** What the order rests on, for an explanation. */
  get reasons(): OrderReasons {
    const addresses = (endpoints: readonly Endpoint[]) => endpoints.map(({ address }) => address)
    // Once for both: ties are at random.
    const nearest = this.#nearest()
    const forCache = this.#wellFirst(nearest, 'perigee.v1.CacheService')
    return {
      order: this.#order,
      distancesKm: this.#distances(),
      roundTrips: this.#roundTrips,
      endpoints: forCache.flatMap(({ address }) => this.#sidecars.get(address)?.state ?? []),
      searchOrder: addresses(this.#wellFirst(nearest, 'perigee.v1.SearchService')),
      addressesOf: (region) => addresses(this.#book.endpoints(region)),
      formerOf: (region) => addresses(this.#book.former(region)),
      lookedUp: (region) => this.#book.lookedUp(region),
    }
  }

  /** Looks up names anew and measures the round trip to every sidecar, by address; changes no order. Never fails. */
  async measureAll(): Promise<ReadonlyMap<string, Measured>> {
    await this.#book.refresh()
    const measured = this.#book.all.map(async (endpoint): Promise<[string, Measured]> => {
      const trip = await this.#roundTrip(endpoint).catch((error: Error) => error)
      return [endpoint.address, trip]
    })
    return new Map(await Promise.all(measured))
  }

  inUse(endpoint: Endpoint, service: ServiceName): boolean {
    return (this.#sidecars.get(endpoint.address)?.place(service) ?? 0) === 0
  }

  began(endpoint: Endpoint): void {
    const sidecar = this.#sidecars.get(endpoint.address)
    if (sidecar) sidecar.inFlight += 1
  }

  ended(endpoint: Endpoint): void {
    const sidecar = this.#sidecars.get(endpoint.address)
    if (sidecar) sidecar.inFlight = Math.max(0, sidecar.inFlight - 1)
  }

  answered(endpoint: Endpoint, service: ServiceName): void {
    this.#sidecars.get(endpoint.address)?.answered(service)
    this.#book.answered(endpoint)
  }

  failed(
    endpoint: Endpoint,
    service: ServiceName,
    error: PerigeeError,
    failure: AttemptFailure,
    tookMs: number,
  ): void {
    this.#sidecars.get(endpoint.address)?.failed(service, error, { failure, tookMs })
    if (failure === 'overtaken') return
    void this.#book.refresh(endpoint.region)
  }

  async refresh(): Promise<void> {
    await within(REFRESH_TIMEOUT_MS, this.#book.refresh())
  }

  explain(region?: string): string {
    const regions = region === undefined ? this.#order : [region]
    return regions.flatMap((r) => this.#book.problem(r)?.message ?? []).join('; ')
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#closed = true
    this.#book.close()
    for (const sidecar of this.#sidecars.values()) sidecar.close()
    this.#sidecars.clear()
  }

  #addressesChanged(): void {
    if (this.#closed) return
    const { transport, connectTimeoutMs, onEvent } = this.#options
    const known = this.#book.all
    const addresses = new Set(known.map((e) => e.address))
    for (const [address, sidecar] of this.#sidecars) {
      if (addresses.has(address)) continue
      sidecar.close()
      this.#sidecars.delete(address)
    }
    transport.keepOnly(known)
    for (const endpoint of known) {
      if (this.#sidecars.has(endpoint.address)) continue
      const sidecar = new KnownSidecar({
        ...{ endpoint, transport, connectTimeoutMs, onEvent },
        onChange: () => this.#lookForTrouble(),
        othersInUse: (service, than) => this.#othersInUse(service, than),
      })
      this.#sidecars.set(endpoint.address, sidecar)
    }
    this.#lookForTrouble()
  }

  #lookForTrouble(): void {
    const sidecars = [...this.#sidecars.values()]
    this.#troubled = sidecars.some((sidecar) => SERVICES.some((service) => sidecar.place(service) > 0))
  }

  #othersInUse(service: ServiceName, than: KnownSidecar): boolean {
    return [...this.#sidecars.values()].some((other) => other !== than && other.place(service) === 0)
  }

  #schedule(): void {
    const jittered = MEASURE_INTERVAL_MS * (0.8 + Math.random() * 0.4)
    this.#timer = setTimeout(async () => {
      if (!this.#distances() && this.#roundTrips.size < this.#options.regions.length) await this.#measure()
      if (this.#timer) this.#schedule()
    }, jittered)
    this.#timer.unref()
  }

  /** From the caller's own region to each; `undefined` when places are unknown and must be measured. */
  #distances(): ReadonlyMap<string, number> | undefined {
    const { region, regions } = this.#options
    if (region === undefined) return undefined
    const from = coordinatesOf(region)
    const distances = new Map<string, number>()
    for (const other of regions) {
      const to = coordinatesOf(other)
      if (other === region) distances.set(other, -1)
      else if (from && to) distances.set(other, distanceKm(from, to))
      else return undefined
    }
    return distances
  }

  async #measure(): Promise<void> {
    const { regions, region } = this.#options
    await Promise.all(regions.map((r) => this.#measureRegion(r)))
    const distances = new Map(this.#roundTrips)
    if (region !== undefined && regions.includes(region)) distances.set(region, -1)
    this.#orderBy(distances)
  }

  async #measureRegion(region: string): Promise<void> {
    const endpoints = this.#book.endpoints(region).slice(0, MEASURED_SIDECARS)
    const trips = await Promise.allSettled(endpoints.map((endpoint) => this.#roundTrip(endpoint)))
    const answered = trips.flatMap((trip) => (trip.status === 'fulfilled' ? trip.value : []))
    // A silent one counts as farthest until it answers; calls will tell why it doesn't.
    if (answered.length === 0) return
    this.#roundTrips.set(region, Math.min(...answered, this.#roundTrips.get(region) ?? Number.MAX_VALUE))
  }

  /** The shortest of a few. */
  async #roundTrip(endpoint: Endpoint): Promise<number> {
    const { transport, connectTimeoutMs } = this.#options
    const deadline = Deadline.in(connectTimeoutMs)
    let shortest = Number.MAX_VALUE
    for (let sample = 0; sample < ROUND_TRIP_SAMPLES; sample++) {
      try {
        shortest = Math.min(shortest, await transport.roundTrip(endpoint, { deadline, connectTimeoutMs }))
      } catch (error) {
        if (sample === 0) throw error
      }
    }
    return shortest
  }

  #orderBy(distances: ReadonlyMap<string, number>): void {
    const distance = (region: string) => distances.get(region) ?? Number.MAX_VALUE
    this.#order = this.#options.regions.toSorted((a, b) => distance(a) - distance(b))
  }
}
