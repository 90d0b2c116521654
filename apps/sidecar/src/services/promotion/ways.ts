import { create } from '@bufbuild/protobuf'
import { ORIGIN, type Position, parsePosition } from '@perigee/core'
import { MakeWayRequestSchema, PeerService } from '@perigee/protocol'
import type { Logger } from 'pino'
import type { PeerClient } from '../../grpc/peer-client.ts'
import { PeerUnreachable } from '../../grpc/peer-error.ts'
import type { MadeWay, MakingWay, WayMaker } from '../../primary/way-maker.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import { StatusError } from '../../status-error.ts'
import { durationOf } from '../../wire-time.ts'

const TIMEOUT_MS = 2000

/** Stands for the id of any promotion of the region. */
export const ANY_PROMOTION = '*'

export interface WaysOptions {
  readonly region: string
  /** All regions, in the order in which they are asked to make way: two promotions meet at the first. */
  readonly regions: readonly string[]
  readonly wayMaker: WayMaker
  readonly others: readonly OtherRegion[]
  readonly peers: PeerClient
  readonly log: Logger
}

/** Asks regions, this one among them, to make way for a promotion of this region. */
export class Ways {
  readonly #options: WaysOptions

  constructor(options: WaysOptions) {
    this.#options = options
  }

  /**
   * Asks all regions, one after the other.
   *
   * @returns how each one that answers made way. @throws StatusError, OtherPromotion
   */
  async make(id: string, how: MakingWay): Promise<Map<string, MadeWay>> {
    const made = new Map<string, MadeWay>()
    for (const region of this.#options.regions) {
      const way = await this.makeIn(region, id, how)
      if (way) made.set(region, way)
    }
    return made
  }

  /** The same, asking all of them at once. */
  async makeAtOnce(id: string, how: MakingWay): Promise<Map<string, MadeWay>> {
    const { regions } = this.#options
    const asked = await Promise.allSettled(
      regions.map(async (region) => ({ region, way: await this.makeIn(region, id, how) })),
    )
    const made = new Map<string, MadeWay>()
    for (const answer of asked) {
      if (answer.status === 'rejected') throw answer.reason
      if (answer.value.way) made.set(answer.value.region, answer.value.way)
    }
    return made
  }

  /**
   * Makes sure that no other region is being promoted, and lets one that begins later know of this one; nothing else is
   * touched. Of two that begin at the same moment both may be told of the other. @throws OtherPromotion, StatusError
   */
  async reserve(id: string, holdMs: number): Promise<void> {
    const { region: own, others } = this.#options
    await this.makeIn(own, id, { holdMs, prepares: true })
    for (const { region } of others) await this.makeIn(region, id, { holdMs: 1, holdsWrites: true })
  }

  /** Asks one region; `undefined` when it is silent. @throws StatusError, OtherPromotion */
  async makeIn(region: string, id: string, how: MakingWay): Promise<MadeWay | undefined> {
    const { region: own, wayMaker, peers, others } = this.#options
    if (region === own) return wayMaker.makeWay({ region: own, id }, how)
    if (!others.find((other) => other.region === region)?.reachable) return undefined
    const { holdMs, holdsWrites: holdWrites = false } = how
    const request = create(MakeWayRequestSchema, {
      ...{ region: own, promotionId: id, hold: durationOf(holdMs), holdWrites },
    })
    try {
      const { heldPosition, released, holdsWrites } = await peers.call(
        region,
        PeerService.method.makeWay,
        request,
        { deadlineMs: Date.now() + TIMEOUT_MS },
      )
      return { clock: heldPosition === '' ? undefined : positionOf(heldPosition), released, holdsWrites }
    } catch (error) {
      const silent = error instanceof PeerUnreachable || isDataUnavailable(error)
      if (silent) return undefined
      throw error
    }
  }

  /** Nobody makes way any longer than needed. */
  async end(id: string): Promise<void> {
    const { regions, log } = this.#options
    const ended = regions.map((region) =>
      this.makeIn(region, id, { holdMs: 0 }).catch((error: Error) =>
        log.info({ region, error: error.message }, 'it makes way until its time is over'),
      ),
    )
    await Promise.all(ended)
  }
}

/** A position that may be told as an empty text. */
export function positionOf(text: string): Position {
  return text === '' ? ORIGIN : (parsePosition(text) ?? ORIGIN)
}

function isDataUnavailable(error: unknown): boolean {
  return error instanceof StatusError && error.details.reason === 'DATA_UNAVAILABLE'
}
