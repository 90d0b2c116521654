import { type Position, parsePosition } from '@perigee/core'
import { RedisFailure } from '../redis/connection.ts'
import { type FunctionLibrary, functionName, LIBRARY_VERSION } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'

/** A promotion of a region by an operator, while it is carried out. */
export interface PromotionUnderWay {
  readonly region: string
  /** Unique; `*`, only to end one, stands for any of that region. */
  readonly id: string
}

/** How a data Redis made way. */
export interface MadeWay {
  /** What it holds, in the same step. */
  readonly clock: Position | undefined
  /** Whether a live claim was given up: the clock is the last position it gave out. */
  readonly released: boolean
  /** Whether a live claim was kept and its writes wait: the clock stays as it is meanwhile. */
  readonly holdsWrites: boolean
}

/** How long it makes way, and how. */
export interface MakingWay {
  /** From now on, milliseconds; 0 ends it. */
  readonly holdMs: number
  /** A claim is kept, and its writes wait; otherwise it is given up. */
  readonly holdsWrites?: boolean
  /** At the promoted region itself: nothing is handed over yet, and calls don't wait for it. */
  readonly prepares?: boolean
}

/** Another region is being promoted. */
export class OtherPromotion extends Error {
  override name = 'OtherPromotion'
}

/**
 * Makes this region's data Redis make way for a promotion: nobody else claims it for a while, and no other promotion begins.
 * That is kept in the memory of the Redis process, shared by the region's sidecars; whoever promotes and dies holds nobody
 * up for longer than that.
 */
export class WayMaker {
  readonly #region: string
  readonly #library: FunctionLibrary
  readonly #keys: Keys

  constructor(options: { region: string; library: FunctionLibrary; keys: Keys }) {
    this.#region = options.region
    this.#library = options.library
    this.#keys = options.keys
  }

  /** Whether a newer sidecar has loaded newer functions: then this one never claims. @throws RedisFailure */
  async isOutdated(): Promise<boolean> {
    return (await this.#library.newestVersion()) > LIBRARY_VERSION
  }

  /** @throws OtherPromotion, RedisFailure */
  async makeWay({ region, id }: PromotionUnderWay, how: MakingWay): Promise<MadeWay> {
    const { connection } = this.#library
    let versions = await this.#library.versions()
    if (versions.length === 0) {
      // An empty Redis: without the functions nothing would keep it from being claimed meanwhile.
      await this.#library.load()
      versions = await this.#library.versions()
    }
    const manner = how.prepares ? 'prepare' : how.holdsWrites ? 'hold' : ''
    const args = [region, id, Math.round(how.holdMs * 1000), this.#region, manner]
    let made: MadeWay = { clock: undefined, released: false, holdsWrites: false }
    // Each version of the library has a claim of its own.
    for (const version of versions) {
      const name = functionName(version, 'make_way')
      try {
        const reply = await connection.call('FCALL_RO', name, 1, this.#keys.clock, ...args)
        const [clock, released, holds] = reply as [string, number, number]
        made = {
          clock: parsePosition(clock),
          released: made.released || released === 1,
          holdsWrites: made.holdsWrites || holds === 1,
        }
      } catch (error) {
        if (
          error instanceof RedisFailure &&
          error.word === 'BUSY' &&
          / is being promoted/.test(error.message)
        ) {
          throw new OtherPromotion(error.message.replace(/^BUSY /, ''))
        }
        throw error
      }
    }
    return made
  }
}
