import { coordinatesOf, distanceKm } from '@perigee/core'
import { AddressBook } from './address-book.ts'
import { Deadline } from './deadline.ts'
import type { Discovery } from './discovery.ts'
import type { Endpoint, EndpointChooser } from './endpoint.ts'
import type { EventListener } from './event.ts'
import { within } from './pause.ts'
import type { Transport } from './transport.ts'

const FIRST_BACKOFF_MS = 250
const LONGEST_BACKOFF_MS = 10_000
const MEASURE_INTERVAL_MS = 30_000
const REFRESH_TIMEOUT_MS = 1_000
const ROUND_TRIP_SAMPLES = 3

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

interface Failing {
  /** In a row. */
  readonly failures: number
  readonly backoff: Deadline
}

/**
 * Orders sidecars by their region's nearness: the caller's own region, then by distance on the globe where both
 * places are known, else by measured round trip. One that failed goes to the end for a short, growing while.
 */
export class NearestFirst implements EndpointChooser {
  readonly #options: NearestFirstOptions
  /** Who is where. */
  readonly #book: AddressBook
  readonly #roundTrips = new Map<string, number>()
  readonly #failing = new Map<string, Failing>()
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

  candidates(region?: string): readonly Endpoint[] {
    const regions = region === undefined ? this.#order : [region]
    const known = regions.flatMap((r) => this.#book.endpoints(r))
    const former = regions.flatMap((r) => this.#book.former(r))
    const all = former.length ? [...known, ...former] : known
    if (this.#failing.size === 0) return all
    const rests = (e: Endpoint) => !(this.#failing.get(e.address)?.backoff.passed ?? true)
    return [...all.filter((e) => !rests(e)), ...all.filter(rests)]
  }

  succeeded(endpoint: Endpoint): void {
    if (this.#failing.size) this.#failing.delete(endpoint.address)
    this.#book.answered(endpoint)
  }

  failed(endpoint: Endpoint): void {
    const before = this.#failing.get(endpoint.address)
    // Calls in flight together fail together: that is one failure.
    if (before && !before.backoff.passed) return
    const failures = (before?.failures ?? 0) + 1
    const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS)
    const backoff = Deadline.in(backoffMs * (0.75 + Math.random() / 2))
    this.#failing.set(endpoint.address, { failures, backoff })
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
    this.#book.close()
  }

  #addressesChanged(): void {
    const known = this.#book.all
    const addresses = new Set(known.map((e) => e.address))
    for (const address of this.#failing.keys()) if (!addresses.has(address)) this.#failing.delete(address)
    this.#options.transport.keepOnly(known)
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
    const endpoint = this.#book.endpoints(region)[0]
    if (!endpoint) return
    const connectTimeoutMs = this.#options.connectTimeoutMs
    const deadline = Deadline.in(connectTimeoutMs)
    try {
      for (let sample = 0; sample < ROUND_TRIP_SAMPLES; sample++) {
        const ms = await this.#options.transport.roundTrip(endpoint, { deadline, connectTimeoutMs })
        this.#roundTrips.set(region, Math.min(ms, this.#roundTrips.get(region) ?? ms))
      }
    } catch {
      // It counts as farthest until it answers; calls will tell why it doesn't.
    }
  }

  #orderBy(distances: ReadonlyMap<string, number>): void {
    const distance = (region: string) => distances.get(region) ?? Number.MAX_VALUE
    this.#order = this.#options.regions.toSorted((a, b) => distance(a) - distance(b))
  }
}
