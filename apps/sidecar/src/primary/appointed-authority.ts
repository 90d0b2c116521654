import type { Appointments } from './appointments.ts'
import type { Authority, Verdict } from './authority.ts'
import type { OwnLook } from './own-redis.ts'

/** A promotion of this region that this process carries out. */
interface OwnPromotion {
  readonly sinceMs: number
  /** When no other region could hold a claim any more, as all had made way; `undefined` when one may. */
  readonly othersOverAtMs: number | undefined
  /** When they may claim again: then it is over. */
  readonly untilMs: number
}

/**
 * Topology `static`: the region that operators promoted last, or the configured one, while its Redis says that it is a
 * master.
 */
export class AppointedAuthority implements Authority {
  readonly #region: string
  readonly #configured: string
  readonly #appointments: Appointments
  #sinceMs = performance.now()
  #named: string
  #promotion: OwnPromotion | undefined

  constructor(options: { region: string; primary: string; appointments: Appointments }) {
    this.#region = options.region
    this.#configured = options.primary
    this.#named = options.primary
    this.#appointments = options.appointments
  }

  /** The region that is to be the primary. */
  get named(): string {
    return this.#appointments.newest?.region ?? this.#configured
  }

  /** Whether a claim made now is that of a promotion. */
  get promoting(): boolean {
    return this.#promotion !== undefined
  }

  /** From now on this region is named, whatever else is, until `endPromotion`, or until `untilMs` (monotonic). */
  beginPromotion(how: { othersOverAtMs: number | undefined; untilMs: number }): void {
    this.#promotion = { sinceMs: performance.now(), ...how }
  }

  endPromotion(): void {
    this.#promotion = undefined
  }

  async learn(look: OwnLook): Promise<void> {
    this.#appointments.hear(look.appointment)
    await this.#appointments.keep()
  }

  verdict(): Verdict {
    // Its role is asked after its time.
    const vouchedAtMs = Number.POSITIVE_INFINITY
    if (this.#promotion) {
      const { untilMs, ...promotion } = this.#promotion
      if (performance.now() < untilMs) return { kind: 'named', vouchedAtMs, ...promotion }
      return {
        kind: 'unknown',
        why: 'the promotion took so long that others may be claimed again: run it again',
      }
    }
    const { named } = this
    if (named !== this.#named) {
      this.#named = named
      this.#sinceMs = performance.now()
    }
    if (named !== this.#region) return { kind: 'other', who: named }
    return { kind: 'named', sinceMs: this.#sinceMs, vouchedAtMs }
  }
}
