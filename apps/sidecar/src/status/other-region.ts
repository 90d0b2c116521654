import { create } from '@bufbuild/protobuf'
import { type GetRegionResponse, RegionState, type RegionStatus, RegionStatusSchema } from '@perigee/protocol'
import { durationOf } from '../wire-time.ts'
import { Poll } from './poll.ts'

/** Silent this often in a row, a region is unreachable. */
const SILENCES_MAX = 2
/** The round trip told is the shortest of this many. */
const ROUND_TRIPS = 5

/** What another region's sidecar says of its region, asked in the background. */
export class OtherRegion {
  readonly region: string
  readonly #ask: () => Promise<GetRegionResponse>
  readonly #poll: Poll
  #newest: GetRegionResponse | undefined
  #answeredAtMs = Number.NEGATIVE_INFINITY
  #silences = SILENCES_MAX
  #roundTripsMs: number[] = []

  /** @param options.ask rejects when the region's sidecar is silent, or its data Redis can't answer. */
  constructor(options: { region: string; ask: () => Promise<GetRegionResponse>; intervalMs: number }) {
    this.region = options.region
    this.#ask = options.ask
    this.#poll = new Poll(() => this.refresh(), options.intervalMs)
  }

  start(): void {
    this.#poll.start()
  }

  stop(): void {
    this.#poll.stop()
  }

  /** Asks now. */
  async refresh(): Promise<void> {
    const startedMs = performance.now()
    try {
      this.#newest = await this.#ask()
      this.#silences = 0
      this.#answeredAtMs = performance.now()
      this.#roundTripsMs = [...this.#roundTripsMs.slice(1 - ROUND_TRIPS), this.#answeredAtMs - startedMs]
    } catch {
      this.#silences++
    }
  }

  get reachable(): boolean {
    return this.#silences < SILENCES_MAX
  }

  /** Whether it answered within the last `ms` milliseconds. */
  answeredWithin(ms: number): boolean {
    return performance.now() - this.#answeredAtMs <= ms
  }

  /** Whether it holds a live claim. */
  get claimed(): boolean {
    return this.reachable && this.#newest?.claimed === true
  }

  /** Milliseconds; `undefined` before the first answer. */
  get roundTripMs(): number | undefined {
    return this.#roundTripsMs.length > 0 ? Math.min(...this.#roundTripsMs) : undefined
  }

  /** Its status as it was told last; UNREACHABLE when it is silent. */
  status(): RegionStatus {
    if (!this.reachable || !this.#newest) {
      return create(RegionStatusSchema, { region: this.region, state: RegionState.UNREACHABLE })
    }
    const { status, newestPosition } = this.#newest
    return create(RegionStatusSchema, {
      ...(status ?? { position: newestPosition }),
      region: this.region,
      ...(this.roundTripMs !== undefined && { roundTrip: durationOf(this.roundTripMs) }),
    })
  }
}
