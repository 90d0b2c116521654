/*
 * Sees to it, where the configuration names the primary (`static`), that this region's data Redis has the role that operators
 * gave it by a promotion. Redis's own configuration, like the sidecars', may still name another primary, and each restart
 * brings that back. Without a promotion nothing here touches a role.
 *
 * - Another region was promoted and holds the claim: it follows that one, whatever it was before. What it has more is lost;
 *   that was accepted, and the fork says so.
 * - A promotion of this region made its Redis a master and was broken off: it follows the primary again.
 * - This region was promoted, and its Redis came back as a replica: it follows nobody.
 * - This region was promoted, nobody heard of it before its sidecar died, and the old primary went on: what that took is fetched
 *   (catch-up.ts), as long as this one took no write by its promotion's claim. Otherwise both hold writes that the other lacks,
 *   and the operator decides.
 *
 * If this process dies in between, the next one, or another sidecar of the region, finds the same and does the same.
 */
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import type { AppointedAuthority } from './appointed-authority.ts'
import type { Appointments } from './appointments.ts'
import type { OtherRegions } from './other-regions.ts'
import type { OwnLook } from './own-redis.ts'
import type { Forgotten, Promotions } from './way-out.ts'

/** What others said longer ago doesn't count. */
const FRESH_MS = 2000

export class Following implements Promotions, Forgotten {
  readonly #region: string
  readonly #redis: RedisConnection
  readonly #appointments: Appointments
  readonly #authority: AppointedAuthority
  readonly #others: OtherRegions
  readonly #forksKey: string
  readonly #log: Logger

  constructor(options: {
    region: string
    /** The data Redis. */
    redis: RedisConnection
    appointments: Appointments
    authority: AppointedAuthority
    others: OtherRegions
    keys: Keys
    log: Logger
  }) {
    this.#region = options.region
    this.#redis = options.redis
    this.#appointments = options.appointments
    this.#authority = options.authority
    this.#others = options.others
    this.#forksKey = options.keys.forks
    this.#log = options.log
  }

  appoints({ appointment }: OwnLook): boolean {
    const { newest } = this.#appointments
    // What was fetched from another one lacks it.
    const isLacking = newest?.region === this.#region && newest.epoch !== appointment?.epoch
    return this.#authority.promoting || isLacking
  }

  async wroteNothingSince({ clock, appointment }: OwnLook): Promise<boolean> {
    if (!clock || appointment?.region !== this.#region || appointment.epoch !== clock.epoch) return false
    const reply = await this.#redis.call('HGETALL', this.#forksKey)
    const flat = (Array.isArray(reply) ? reply.flat() : Object.entries(reply as object).flat()).map(Number)
    // The seq that the promotion's claim went on from is that of the newest fork.
    const forks = flat.flatMap((epoch, i) => (i % 2 === 0 ? [{ epoch, seq: flat[i + 1] }] : []))
    const newest = forks.reduce((a, b) => (b.epoch > a.epoch ? b : a), { epoch: 0, seq: 0 })
    return newest.seq === clock.seq
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
