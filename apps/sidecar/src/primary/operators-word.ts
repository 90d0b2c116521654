import { setTimeout as delay } from 'node:timers/promises'
import { ORIGIN, type Position } from '@perigee/core'
import { type Accepted, NOTHING_ACCEPTED } from './candidacy.ts'
import { type ClaimState, whyNot } from './claim-state.ts'
import type { OwnRedis } from './own-redis.ts'

/** The claim, as it is insisted on. */
export interface InsistedClaim {
  readonly state: ClaimState
  readonly epoch: number | undefined
  refresh(): Promise<void>
  /** Resolves when what was begun is done. */
  settled(): Promise<void>
}

/** An operator's word counts for so long. */
const INSIST_MS = 4000
const PAUSE_MS = 50

/** What an operator accepts, for a moment, so that this region's Redis be claimed. */
export class OperatorsWord {
  readonly #own: OwnRedis
  #accepted = NOTHING_ACCEPTED

  constructor({ own }: { own: OwnRedis }) {
    this.#own = own
  }

  get accepted(): Accepted {
    return this.#accepted
  }

  /** Lets it count until there is a claim. @returns the clock, or why there is none. */
  async insist(claim: InsistedClaim, accepted: Accepted): Promise<Position | { readonly why: string }> {
    this.#accepted = accepted
    try {
      const untilMs = performance.now() + INSIST_MS
      do {
        await claim.settled()
        await claim.refresh()
        if (claim.epoch !== undefined) return await this.#clock()
        await delay(PAUSE_MS)
      } while (performance.now() < untilMs && mayStillClaim(claim.state))
      // What was begun while the word counted may still claim.
      await claim.settled()
      return claim.epoch === undefined ? { why: whyNot(claim.state) } : await this.#clock()
    } finally {
      this.#accepted = NOTHING_ACCEPTED
    }
  }

  async #clock(): Promise<Position> {
    return (await this.#own.look()).clock ?? ORIGIN
  }
}

/** Whether waiting a little longer may help. */
function mayStillClaim({ kind }: ClaimState): boolean {
  // Claimed by a tick in between: the next look says so.
  return kind === 'waiting' || kind === 'unreachable' || kind === 'catching-up' || kind === 'claimed'
}
