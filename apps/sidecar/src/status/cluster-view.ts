import { create } from '@bufbuild/protobuf'
import { type GetStatusResponse, GetStatusResponseSchema, type RegionStatus } from '@perigee/protocol'
import { timestampOf } from '../wire-time.ts'
import type { OtherRegion } from './other-region.ts'
import type { OwnRegion } from './own-region.ts'

/** All regions, as this one sees them. */
export class ClusterView {
  readonly own: OwnRegion
  readonly others: readonly OtherRegion[]
  readonly #regions: readonly string[]
  readonly #primary: () => string
  readonly #nowMs: () => number

  constructor(options: {
    own: OwnRegion
    others: readonly OtherRegion[]
    /** All regions, in the order of the configuration. */
    regions: readonly string[]
    /** The region that takes writes, as this sidecar knows it. */
    primary: () => string
    /** Unix milliseconds. */
    nowMs: () => number
  }) {
    this.own = options.own
    this.others = options.others
    this.#regions = options.regions
    this.#primary = options.primary
    this.#nowMs = options.nowMs
  }

  start(): void {
    for (const region of [this.own, ...this.others]) region.start()
  }

  stop(): void {
    for (const region of [this.own, ...this.others]) region.stop()
  }

  /** The region that takes writes, or did last; empty while none is known. */
  get primaryRegion(): string {
    return this.#primary()
  }

  /** The status of all regions now; asks nobody. */
  status(): GetStatusResponse {
    const statuses = new Map<string, RegionStatus>()
    for (const region of [this.own, ...this.others]) statuses.set(region.region, region.status())
    return create(GetStatusResponseSchema, {
      region: this.own.region,
      primaryRegion: this.primaryRegion,
      regions: this.#regions.flatMap((region) => statuses.get(region) ?? []),
      observedAt: timestampOf(this.#nowMs()),
    })
  }
}

/** What of a status is a change when it differs; numbers that always move aren't. */
export function changeKey({ primaryRegion, regions }: GetStatusResponse): string {
  const parts = regions.map(({ region, role, state, epoch, version, indexes, advice }) => {
    const copies = indexes.map((index) => [index.namespace, index.index, index.state])
    return [region, role, state, String(epoch), version, copies, advice]
  })
  return JSON.stringify([primaryRegion, parts])
}
