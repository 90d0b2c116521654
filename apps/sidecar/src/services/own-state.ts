import { create } from '@bufbuild/protobuf'
import type { Forks, Position } from '@perigee/core'
import { type Receipt, ReceiptSchema } from '@perigee/protocol'
import type { DataRedis } from '../redis/data-redis.ts'
import { durationOf } from '../wire-time.ts'
import type { NewestHistory } from './newest-history.ts'
import type { PrimaryRegion } from './primary-region.ts'
import type { State } from './session.ts'

/** What every answer from this region's own state goes by: which state it was, whether that may be read, its receipt. */
export class OwnState {
  readonly #primary: Pick<PrimaryRegion, 'isHere' | 'own'>
  readonly #data: DataRedis
  readonly #stalenessMs: () => number | undefined
  readonly #newestHistory: NewestHistory

  constructor(options: {
    primary: Pick<PrimaryRegion, 'isHere' | 'own'>
    data: DataRedis
    /** This region's newest measured replication lag; `undefined` while unknown. */
    stalenessMs: () => number | undefined
    /** What the other regions have told of claims. */
    newestHistory: NewestHistory
  }) {
    this.#primary = options.primary
    this.#data = options.data
    this.#stalenessMs = options.stalenessMs
    this.#newestHistory = options.newestHistory
  }

  /** This region's newest measured replication lag; `undefined` while unknown. */
  get stalenessMs(): number | undefined {
    return this.#stalenessMs()
  }

  /**
   * The state that an answer was read from, whatever region this is.
   *
   * @throws StatusError DATA_UNAVAILABLE when it holds writes that are lost, or nobody can tell what it is.
   */
  of({ applied, seen, forks }: { applied: Position; seen: Position; forks: Forks }): State | Promise<State> {
    this.check(seen)
    const clusterId = this.#data.clusterId(seen)
    if (typeof clusterId === 'string') return { position: applied, forks, clusterId }
    return clusterId.then((id) => ({ position: applied, forks, clusterId: id }))
  }

  /** Whether a state may be read that goes up to `seen`. @throws StatusError DATA_UNAVAILABLE when it holds writes that are lost. */
  check(seen: Position): void {
    const lost = this.#newestHistory.refusalOf(seen)
    if (lost) throw lost
  }

  /** The receipt of an answer from it. */
  receipt(told: {
    sessionToken: Uint8Array
    warnings?: readonly string[] | undefined
    waitedMs: number
  }): Receipt {
    const { sessionToken, warnings = [], waitedMs } = told
    const staleness = this.#primary.isHere ? undefined : this.#stalenessMs()
    return create(ReceiptSchema, {
      region: this.#primary.own,
      sessionToken,
      warnings: [...warnings],
      ...(staleness !== undefined && { staleness: durationOf(Math.max(0, staleness)) }),
      ...(waitedMs > 0 && { waited: durationOf(waitedMs) }),
    })
  }
}
