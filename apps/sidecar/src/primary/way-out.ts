import type { CatchUp } from './catch-up.ts'
import type { Ahead, ClaimState } from './claim-state.ts'
import type { FailoverRequest } from './failover-request.ts'
import type { OtherRegionSays } from './other-regions.ts'
import type { OwnLook } from './own-redis.ts'
import type { SentinelFollowing } from './sentinel-following.ts'

/** What becomes of a Redis that holds less than another: by Sentinel, by an operator, or it is claimed all the same. */
export type WayOut =
  | {
      readonly by: 'sentinel'
      readonly failover: FailoverRequest
      readonly catchUp: CatchUp
      readonly following: SentinelFollowing
    }
  | { readonly by: 'operator'; readonly promotions?: Promotions & Forgotten; readonly catchUp?: CatchUp }
  | { readonly by: 'nobody' }

/** What promotions by operators need of the claim. */
export interface Promotions {
  /** Whether a claim made now is to tell that this region was promoted. */
  appoints(look: OwnLook): boolean
  /** Gives a Redis that isn't to be claimed its role, if it has another. @throws RedisFailure */
  mend(look: OwnLook): Promise<void>
}

/** What becomes of a promotion that nobody heard of before the old primary went on. */
export interface Forgotten {
  /** Whether this region's Redis was claimed by such a one, and has taken no write since. @throws RedisFailure */
  wroteNothingSince(look: OwnLook): Promise<boolean>
}

/** Takes the way out of a region that holds less than another. @throws RedisFailure */
export async function takeWayOut(
  wayOut: WayOut,
  { region, look }: { region: string; look: OwnLook },
  ahead: Ahead,
  says: OtherRegionSays,
): Promise<ClaimState> {
  if (wayOut.by !== 'sentinel') {
    const catchUp = await mayFetchBy(wayOut, look, ahead, says)
    if (catchUp && (await catchUp.begin(ahead, says)) === undefined) return { kind: 'catching-up', ahead }
    const promote = `make ${ahead.region} the primary with "perigee promote ${ahead.region}"`
    // An empty one is never claimed while another holds writes: nothing of the cluster would be left.
    const accept = `, or accept the loss of what it has more with "perigee promote ${region} --force"`
    return { kind: 'regressed', ahead, next: ahead.own.epoch === 0 ? promote : promote + accept }
  }
  // One that is a master because it was asked for is on its way to be the primary: fetching what it has would undo that.
  if (wayOut.failover.isUnderWay) return { kind: 'regressed', ahead, next: 'a Sentinel promotes it' }
  if (says.role === 'master' && says.address !== '') {
    // Asking Sentinel to swap them back while both are alive would go on for ever.
    const why = await wayOut.catchUp.begin(ahead, says)
    if (why === undefined) return { kind: 'catching-up', ahead }
    return { kind: 'regressed', ahead, next: `what it has more isn't fetched: ${why}` }
  }
  wayOut.failover.ask()
  return { kind: 'regressed', ahead, next: 'a Sentinel is asked to promote it' }
}

/** Nothing is lost when this region's Redis, which was promoted, fetches what an old primary that went on has: by what. */
async function mayFetchBy(
  wayOut: WayOut,
  look: OwnLook,
  { own, position }: Ahead,
  { role, address, mayLack }: OtherRegionSays,
): Promise<CatchUp | undefined> {
  if (wayOut.by !== 'operator' || !wayOut.promotions) return undefined
  if (role !== 'master' || address === '' || mayLack || position.seq < own.seq) return undefined
  return (await wayOut.promotions.wroteNothingSince(look)) ? wayOut.catchUp : undefined
}
