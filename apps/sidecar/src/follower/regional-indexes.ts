import { create } from '@bufbuild/protobuf'
import {
  comparePositions,
  coverageOf,
  type Forks,
  laterPosition,
  ORIGIN,
  type Position,
  samePosition,
} from '@perigee/core'
import { type RegionalIndex, RegionalIndex_State, RegionalIndexSchema } from '@perigee/protocol'
import type { PrimaryClock } from '../primary-clock.ts'
import type { CopyReader } from '../redis/copy-reader.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import type { Found, SearchOptions } from '../redis/search-commands.ts'
import { refusal, type StatusError } from '../status-error.ts'
import { durationOf } from '../wire-time.ts'
import { type AnswerState, answerFields, answerState } from './checkpoint.ts'
import type { Follower } from './follower.ts'
import type { Pace } from './pace.ts'

/** What an answer of a region's index includes for certain, and what it may include. */
export interface AnswerPosition {
  readonly applied: Position
  readonly seen: Position
  readonly forks: Forks
}

export interface RegionalIndexesOptions {
  readonly region: string
  readonly follower: Follower
  readonly reader: CopyReader
  readonly pace: Pace
  readonly clock: PrimaryClock
  /** Cut off from the change log for longer than this, an index is stale. */
  readonly staleAfterMs: number
  /** How far this region's data Redis is behind the primary; `undefined` while unknown. */
  readonly replicationLagMs: () => number | undefined
}

/** This region's copies of the indexes, as searches and status see them. */
export class RegionalIndexes {
  readonly #options: RegionalIndexesOptions

  constructor(options: RegionalIndexesOptions) {
    this.#options = options
  }

  /** The index of a name as this region knows it, and the position at which that is so. */
  find(namespace: string, name: string): { definition: IndexDefinition | undefined; at: AnswerPosition } {
    const { catalogue, checkpoint } = this.#options.follower
    if (!catalogue.known) {
      const text =
        "This region doesn't know its indexes yet: its data Redis has not answered. Try again shortly."
      throw refusal('DATA_UNAVAILABLE', text, { retryDelayMs: 200 })
    }
    const forks = checkpoint?.forks ?? new Map<number, number>()
    return {
      definition: catalogue.find(namespace, name),
      at: { applied: catalogue.at, seen: catalogue.at, forks },
    }
  }

  /** Whether an index is region-scoped, as far as this region knows. */
  regionScoped(namespace: string, name: string): boolean {
    return this.#options.follower.catalogue.find(namespace, name)?.regionScoped === true
  }

  /** Searches an index; says where the index was. @throws StatusError INDEX_BUILDING while it doesn't answer. */
  async search(
    indexUid: string,
    query: string,
    options: SearchOptions,
  ): Promise<{ found: Found; at: AnswerPosition }> {
    const { reader, pace } = this.#options
    pace.searched()
    const level = this.#options.follower.level
    const checkpointFields = answerFields(indexUid)
    const { before, found, after } = await reader.search(indexUid, query, { ...options, checkpointFields })
    return { found, at: this.#between(indexUid, answerState(before), answerState(after), level) }
  }

  /** Reads an index by several commands; says where it was. @throws StatusError INDEX_BUILDING. */
  async read<T>(
    indexUid: string,
    read: (reader: CopyReader) => Promise<T>,
  ): Promise<{ result: T; at: AnswerPosition }> {
    const { reader, pace } = this.#options
    pace.searched()
    const level = this.#options.follower.level
    const fields = answerFields(indexUid)
    const before = answerState(await reader.checkpoint(fields))
    if (!before) throw this.#building(indexUid)
    const result = await read(reader)
    const after = answerState(await reader.checkpoint(fields))
    return { result, at: this.#between(indexUid, before, after, level) }
  }

  /** Resolves when an answer may include more than `known`, or after `timeoutMs`, or when the signal aborts. */
  async changed(known: Position, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { follower } = this.#options
    if (comparePositions(this.#appliedHere(), known) > 0) return
    await follower.changed(timeoutMs, signal)
  }

  /** Resolves when the follower has moved on, or after `timeoutMs`, or when the signal aborts. */
  moved(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.#options.follower.changed(timeoutMs, signal)
  }

  /** Waits until an index includes a position. @throws StatusError INDEX_BUILDING when it doesn't in time. */
  async includes(
    indexUid: string,
    position: Position,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { reader, follower } = this.#options
    while (!signal.aborted) {
      const level = follower.level
      const state = answerState(await reader.checkpoint(answerFields(indexUid)))
      if (state) {
        const { applied, forks } = this.#between(indexUid, state, state, level)
        if (coverageOf(position, applied, forks, false) === 'included') return
      }
      const leftMs = deadlineMs - Date.now()
      if (leftMs <= 0) break
      await follower.changed(Math.min(leftMs, 50), signal)
    }
    throw refusal(
      'INDEX_BUILDING',
      "the primary's index doesn't hold everything before this call yet; try again later",
      {
        retryDelayMs: 1_000,
      },
    )
  }

  /** How this region's copies of indexes are. */
  async describe(definitions: readonly IndexDefinition[]): Promise<RegionalIndex[]> {
    const { follower, reader, region, staleAfterMs, replicationLagMs, clock } = this.#options
    const { checkpoint } = follower
    const counts = await reader.counts(definitions.map((d) => d.uid)).catch(() => [])
    const pending = follower.pending
    const lagMs = pending > 0 && checkpoint ? Math.max(0, clock.nowMs() - checkpoint.levelAtMs) : 0
    return definitions.map(({ namespace, name, uid }, i) => {
      const complete = checkpoint?.complete.has(uid) === true && reader.usable
      const stale = Math.max(follower.cutOffForMs, replicationLagMs() ?? 0) > staleAfterMs
      return create(RegionalIndexSchema, {
        region,
        namespace,
        index: name,
        state: !complete
          ? RegionalIndex_State.BUILDING
          : stale
            ? RegionalIndex_State.STALE
            : RegionalIndex_State.SERVING,
        chunks: BigInt(counts[i] ?? 0),
        pending: BigInt(pending),
        lag: durationOf(lagMs),
        progress: complete ? 1 : (checkpoint?.repair?.progress.get(uid) ?? 0),
      })
    })
  }

  /** How all of this region's copies are. */
  describeAll(): Promise<RegionalIndex[]> {
    return this.describe([...this.#options.follower.catalogue.definitions.values()])
  }

  /** False while indexes exist and none answers. */
  get serving(): boolean {
    const { follower, reader } = this.#options
    const { definitions } = follower.catalogue
    if (definitions.size === 0) return true
    return reader.usable && [...definitions.keys()].some((uid) => follower.checkpoint?.complete.has(uid))
  }

  #appliedHere(): Position {
    const { level, checkpoint } = this.#options.follower
    return laterPosition(level?.clock ?? ORIGIN, checkpoint?.applied ?? ORIGIN)
  }

  #between(
    indexUid: string,
    before: AnswerState | undefined,
    after: AnswerState | undefined,
    level: Follower['level'],
  ): AnswerPosition {
    if (!before || !after) throw this.#building(indexUid)
    const { applied, log, repairing, forks } = before
    // Nothing came after this checkpoint's entry until the clock was there: writes to the cache, which no index shows.
    const exact = level && !repairing && samePosition(level.log, log)
    const reached = exact ? laterPosition(level.clock, applied) : applied
    return { applied: reached, seen: laterPosition(reached, after.seen), forks }
  }

  #building(indexUid: string): StatusError {
    const part = this.#options.follower.checkpoint?.repair?.progress.get(indexUid)
    const text = part === undefined ? '' : ` (${Math.floor(part * 100)} % done)`
    return refusal(
      'INDEX_BUILDING',
      `${this.#options.region}'s copy of the index is still being built${text}`,
      {
        retryDelayMs: 1_000,
      },
    )
  }
}
