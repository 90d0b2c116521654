/*
 * Sees to it, where the configuration names the primary (`static`), that this region's data Redis has the role that operators
 * gave it by a promotion. Redis's own configuration, like the sidecars', may still name another primary, and each restart
 * brings that back. Without a promotion nothing here touches a role.
 *
 * - Another region was promoted and holds the claim: it follows that one, whatever it was before. What it has more is lost;
 *   that was accepted, and the fork says so.
 * - A promotion of this region made its Redis a master and was broken off: it follows the primary again.
 * - This region was promoted, and its Redis came back as a replica: it follows nobody.
 *
 * If this process dies in between, the next one, or another sidecar of the region, finds the same and does the same.
 */
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { AppointedAuthority } from './appointed-authority.ts'
import type { Appointments } from './appointments.ts'
import type { OtherRegions } from './other-regions.ts'
import type { OwnLook } from './own-redis.ts'
import type { Promotions } from './way-out.ts'

/** What others said longer ago doesn't count. */
const FRESH_MS = 2000

export class Following implements Promotions {
  readonly #region: string
  readonly #redis: RedisConnection
  readonly #appointments: Appointments
  readonly #authority: AppointedAuthority
  readonly #others: OtherRegions
  readonly #log: Logger

  constructor(options: {
    region: string
    /** The data Redis. */
    redis: RedisConnection
    appointments: Appointments
    authority: AppointedAuthority
    others: OtherRegions
    log: Logger
  }) {
    this.#region = options.region
    this.#redis = options.redis
    this.#appointments = options.appointments
    this.#authority = options.authority
    this.#others = options.others
    this.#log = options.log
  }

  get promoting(): boolean {
    return this.#authority.promoting
  }

  async mend(look: OwnLook): Promise<void> {
    const { named } = this.#authority
    const appointed = this.#appointments.newest !== undefined
    // Another sidecar of the region may be the one that promotes it.
    if (this.#authority.promoting || this.#isBeingPromoted(look)) return
    if (named === this.#region) {
      if (appointed && look.role === 'replica' && this.#nobodyClaims()) await this.#followNobody(look)
      return
    }
    if (!appointed && !this.#wasLeftBy(look)) return
    const primary = this.#claimedAt(named)
    if (primary === undefined || look.follows === primary) return
    this.#log.warn(
      { primary: named, address: primary, before: look.follows ?? 'nobody' },
      'following the primary',
    )
    const colon = primary.lastIndexOf(':')
    const host = primary.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
    await this.#redis.call('REPLICAOF', host, primary.slice(colon + 1))
  }

  async #followNobody(look: OwnLook): Promise<void> {
    this.#log.warn({ before: look.follows }, 'this region was promoted: its Redis follows nobody any more')
    await this.#redis.call('REPLICAOF', 'NO', 'ONE')
  }

  #isBeingPromoted({ makesWay, nowUs }: OwnLook): boolean {
    return makesWay?.region === this.#region && makesWay.untilUs > nowUs
  }

  /** Whether a promotion of this region made this very process a master, and was broken off before it claimed. */
  #wasLeftBy({ role, live, makesWay, nowUs }: OwnLook): boolean {
    return role === 'master' && !live && makesWay?.region === this.#region && makesWay.untilUs < nowUs
  }

  /** The address of a region's data Redis, if that holds a live claim. */
  #claimedAt(region: string): string | undefined {
    const says = this.#others.since(performance.now() - FRESH_MS).get(region)
    return typeof says === 'object' && says.claimedEpoch > 0 && says.address !== '' ? says.address : undefined
  }

  /** All others were asked, and none holds a claim. */
  #nobodyClaims(): boolean {
    const now = [...this.#others.since(performance.now() - FRESH_MS).values()]
    return now.every((says) => says === 'silent' || (typeof says === 'object' && says.claimedEpoch === 0))
  }
}
