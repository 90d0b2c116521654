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
  readonly #listeners = new Set<() => void>()
  #newest: GetRegionResponse | undefined
  #askedAtMs = Number.NEGATIVE_INFINITY
  #answeredAtMs = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined
  #again = false
  #heard = false
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

  /** Calls back after every answer, and every time that none came. */
  onAnswer(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Asks now, unless a question is under way. */
  refresh(): Promise<void> {
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = undefined
      if (this.#again) this.askAgain()
    })
    return this.#asking
  }

  /** Asks now, or once more right after the question that is under way. */
  askAgain(): void {
    this.#again = this.#asking !== undefined
    if (!this.#asking) void this.refresh()
  }

  async #askOnce(): Promise<void> {
    this.#again = false
    const startedMs = performance.now()
    try {
      this.#newest = await this.#ask()
      this.#silences = 0
      this.#askedAtMs = startedMs
      this.#answeredAtMs = performance.now()
      this.#roundTripsMs = [...this.#roundTripsMs.slice(1 - ROUND_TRIPS), this.#answeredAtMs - startedMs]
      this.#heard = true
    } catch {
      this.#silences++
      this.#heard ||= this.#silences >= 2 * SILENCES_MAX
    }
    for (const listener of this.#listeners) listener()
  }

  /** What it answered last, however long ago; `undefined` when it never did. */
  get newest(): GetRegionResponse | undefined {
    return this.#newest
  }

  /** Its answer to a question asked at `ms` (monotonic) or later, asking it if there is none; or that it is silent. */
  since(ms: number): GetRegionResponse | 'silent' | 'pending' {
    if (this.#newest && this.reachable && this.#askedAtMs >= ms) return this.#newest
    if (this.#heard && !this.reachable) return 'silent'
    this.askAgain()
    return 'pending'
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

  /** The epoch of that claim; 0 without one. */
  get claimedEpoch(): number {
    return this.claimed ? Number(this.#newest?.claimedEpoch) : 0
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
