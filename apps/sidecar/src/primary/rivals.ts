import { comparePositions, type Position } from '@perigee/core'
import type { Verdict } from './authority.ts'
import type { Farewells } from './farewells.ts'
import type { OtherRegionNow, OtherRegions } from './other-regions.ts'

/** A lease and this much of it more is waited, since clocks run at different rates. */
const LEASE_MARGIN = 0.1

/** The other regions' data Redis, as those that may be claimed, or hold more. */
export class Rivals {
  readonly #others: OtherRegions
  readonly #farewells: Farewells
  readonly #leaseMs: number

  constructor(options: { others: OtherRegions; farewells: Farewells; leaseMs: number }) {
    this.#others = options.others
    this.#farewells = options.farewells
    this.#leaseMs = options.leaseMs
  }

  /** When the claims of all of them were over for certain; `undefined` while one may be live. */
  overAtMs({ sinceMs, othersOverAtMs }: Verdict & { kind: 'named' }): number | undefined {
    if (othersOverAtMs !== undefined) return othersOverAtMs
    const byTimeMs = sinceMs + this.#leaseMs * (1 + LEASE_MARGIN)
    return performance.now() >= byTimeMs ? byTimeMs : this.#farewells.since(sinceMs)
  }

  /**
   * What they say, by their sidecars' answers to questions asked at `ms` or later; where a sidecar is silent, what its Redis
   * held when it let go.
   */
  since(ms: number): ReadonlyMap<string, OtherRegionNow> {
    const addresses = this.#others.addresses()
    return new Map(
      [...this.#others.since(ms)].map(([region, now]) => {
        const last = now === 'silent' ? this.#farewells.lastHeld(region) : undefined
        if (!last) return [region, now]
        const { position, mayLack, usedMemoryBytes } = last
        const address = addresses.get(region) ?? ''
        const more = { role: 'master', claimedEpoch: 0, address, mayLack, usedMemoryBytes } as const
        return [region, { held: position, everHeld: position, ...more }]
      }),
    )
  }

  /** Whether all of them say that they hold no more than that. */
  noneIsAhead(clock: Position, sinceMs: number): boolean {
    return [...this.#others.since(sinceMs).values()].every(
      (now) => typeof now === 'object' && comparePositions(now.held, clock) <= 0,
    )
  }

  /**
   * Whether one of them claimed a later epoch, though it wasn't to, and gave it up: while it was cut off it couldn't know
   * better. Its positions must not look newer than this region's.
   */
  leftLaterEpoch(
    { epoch, clock }: { epoch: number; clock: Position | undefined },
    { mayHoldMore }: { /** What it wrote there doesn't matter. */ mayHoldMore: boolean },
  ): boolean {
    if (this.#others.newestEpoch() <= epoch || !clock) return false
    const now = [...this.#others.since(performance.now() - this.#leaseMs).values()]
    return now.every(
      (says) =>
        says === 'silent' ||
        (typeof says === 'object' &&
          says.claimedEpoch === 0 &&
          (mayHoldMore || comparePositions(says.held, clock) <= 0)),
    )
  }

  /** The highest epoch that any of them has been heard of. */
  newestEpoch(): number {
    return this.#others.newestEpoch()
  }
}

/** The region that says that it is claimed, if any. */
export function claimedIn(others: ReadonlyMap<string, OtherRegionNow>): string | undefined {
  return [...others].find(([, now]) => typeof now === 'object' && now.claimedEpoch > 0)?.[0]
}
