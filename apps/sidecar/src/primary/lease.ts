import { formatPosition } from '@perigee/core'
import { RedisFailure } from '../redis/connection.ts'
import type { FunctionLibrary } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import type { ClaimState } from './claim-state.ts'
import type { OwnLook, OwnRedis } from './own-redis.ts'

/** What a claim is made with. */
export interface NewClaim {
  readonly epoch: number
  /** Drawn for a cluster that has none. */
  readonly clusterId: string
  /** Whether the data is to tell from now on that this region was promoted. */
  readonly appoint: boolean
  /** The epoch of the live claim whose place it takes; `undefined`: there is none. */
  readonly supersedes?: number | undefined
}

/** The function calls by which a claim is taken, kept and given up, and until when it holds for certain. */
export class Lease {
  readonly #library: FunctionLibrary
  readonly #keys: Keys
  readonly #own: OwnRedis
  readonly #region: string
  readonly #leaseMs: number
  readonly #renewMs: number
  readonly #logEntriesMax: number
  #liveUntilMs = 0

  constructor(options: {
    library: FunctionLibrary
    keys: Keys
    own: OwnRedis
    region: string
    leaseMs: number
    renewMs: number
    logEntriesMax: number
  }) {
    this.#library = options.library
    this.#keys = options.keys
    this.#own = options.own
    this.#region = options.region
    this.#leaseMs = options.leaseMs
    this.#renewMs = options.renewMs
    this.#logEntriesMax = options.logEntriesMax
  }

  /** For how long it holds at the most, milliseconds, unless another sidecar renews it; 0 when it is over. */
  get leftMs(): number {
    return Math.max(0, this.#liveUntilMs - performance.now())
  }

  /**
   * Joins a live claim, and prolongs it while the Redis is vouched for.
   *
   * @param vouchedUs a time by the Redis's own clock before which nobody vouched for it; `undefined`: nobody does.
   * @throws RedisFailure
   */
  async renew(look: OwnLook, vouchedUs: number | undefined): Promise<ClaimState> {
    let endUs = look.leaseEndUs
    // Half of what a renewal gains is worth a call.
    if (vouchedUs !== undefined && this.#endUs(vouchedUs) > endUs + this.#renewMs * 250) {
      endUs = this.#endUs(vouchedUs)
      try {
        await this.#library.call('renew', [this.#keys.clock], [look.epoch, endUs, vouchedUs])
      } catch (error) {
        return refused(error, ['FENCED', 'OUTDATED'])
      }
    }
    this.#liveUntilMs = this.#own.times.certainlyReachedAtMs(endUs)
    return { kind: 'claimed', epoch: look.epoch }
  }

  /** Claims anew. @throws RedisFailure */
  async take(look: OwnLook, vouchedUs: number, claim: NewClaim): Promise<ClaimState> {
    const { clock, log, forks, cluster, appointment } = this.#keys
    const known = look.clock ? formatPosition(look.clock) : ''
    const args = [claim.epoch, this.#endUs(vouchedUs), known, claim.clusterId, this.#logEntriesMax, vouchedUs]
    const appoint = [this.#region, claim.appoint ? 'appoint' : '', claim.supersedes ?? '']
    try {
      await this.#library.call('claim', [clock, log, forks, cluster, appointment], [...args, ...appoint])
    } catch (error) {
      // Another sidecar of the region was faster, or the clock moved: the next look tells.
      return refused(error)
    }
    this.#liveUntilMs = this.#own.times.certainlyReachedAtMs(this.#endUs(vouchedUs))
    return { kind: 'claimed', epoch: claim.epoch }
  }

  /** Gives it up. @throws RedisFailure */
  async release(epoch: number): Promise<void> {
    await this.#library.call('release', [this.#keys.clock], [epoch])
  }

  #endUs(vouchedUs: number): number {
    return vouchedUs + this.#leaseMs * 1000
  }
}

/** The state after a refusal by one of these words, or by any. @throws whatever else it was */
function refused(error: unknown, words?: readonly string[]): ClaimState {
  const { kind, word, message } = error instanceof RedisFailure ? error : {}
  if (kind !== 'refused' || (words && !words.includes(word ?? ''))) throw error
  return { kind: 'waiting', why: message ?? '' }
}
