import type { OwnLook } from './own-redis.ts'
import type { SentinelWatch } from './sentinel-watch.ts'

/** What says which Redis may be claimed, of this region's. */
export type Verdict =
  | {
      readonly kind: 'named'
      /** Since when without a break, monotonic milliseconds. */
      readonly sinceMs: number
      /** A moment at which, or later, it was vouched for; `undefined` when it isn't just now. */
      readonly vouchedAtMs: number | undefined
      /** When the claims of all others were over for certain, if that is known. */
      readonly othersOverAtMs?: number | undefined
    }
  /** Another one is. */
  | { readonly kind: 'other'; readonly who: string }
  | { readonly kind: 'unknown'; readonly why: string }

/** Says whether this region's data Redis may be claimed. */
export interface Authority {
  /** Takes note of what the Redis itself says, before it is asked for a verdict. */
  learn?(look: OwnLook): Promise<void>
  /** @param masterSinceMs when this region's data Redis was first seen to be a master, without a break since. */
  verdict(masterSinceMs: number): Verdict
}

/** Topology `external`: a managed service moves the role, and the role is all that there is to go by. */
export class ExternalAuthority implements Authority {
  verdict(masterSinceMs: number): Verdict {
    return { kind: 'named', sinceMs: masterSinceMs, vouchedAtMs: Number.POSITIVE_INFINITY }
  }
}

/** Topology `sentinel`: a majority of the Sentinels. */
export class SentinelAuthority implements Authority {
  readonly #watch: SentinelWatch
  readonly #address: string
  #othersMadeWay: { readonly atMs: number; readonly untilMs: number } | undefined

  /** @param options.address of this region's data Redis, as Sentinels know it. */
  constructor({ watch, address }: { watch: SentinelWatch; address: string }) {
    this.#watch = watch
    this.#address = address
  }

  /**
   * For a promotion of this region: all other data Redis let go, `atMs` at the latest, and aren't claimed before `untilMs`
   * (monotonic). `undefined`: it is over.
   */
  othersMadeWay(way: { readonly atMs: number; readonly untilMs: number } | undefined): void {
    this.#othersMadeWay = way
  }

  verdict(): Verdict {
    const { naming, answering } = this.#watch
    if (!naming) {
      const why = `no majority of the Sentinels names a primary (${answering.answer} of ${answering.of} answer)`
      return { kind: 'unknown', why }
    }
    if (naming.address !== this.#address) return { kind: 'other', who: naming.address }
    const way = this.#othersMadeWay
    return {
      kind: 'named',
      sinceMs: naming.sinceMs,
      vouchedAtMs: this.#watch.vouchedAtMs(this.#address),
      othersOverAtMs: way && performance.now() < way.untilMs ? way.atMs : undefined,
    }
  }
}
