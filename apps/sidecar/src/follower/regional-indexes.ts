import { create } from '@bufbuild/protobuf'
import {
  comparePositions,
  coverageOf,
  type Forks,
  laterPosition,
  ORIGIN,
  type Position,
  parsePosition,
  samePosition,
} from '@perigee/core'
import { type RegionalIndex, RegionalIndex_State, RegionalIndexSchema } from '@perigee/protocol'
import type { PrimaryClock } from '../primary-clock.ts'
import type { ChangeLog, DataState } from '../redis/change-log.ts'
import type { CopyReader } from '../redis/copy-reader.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { FIELD, type Found, type SearchOptions } from '../redis/search-commands.ts'
import { refusal, type StatusError } from '../status-error.ts'
import { durationOf } from '../wire-time.ts'
import type { RegionalName } from './catalogue.ts'
import { type AnswerState, answerFields, answerState } from './checkpoint.ts'
import type { Follower } from './follower.ts'
import type { Pace } from './pace.ts'

/** So that a sample doesn't hold up searches. */
const SAMPLED_AT_ONCE = 64

/** What an answer of a region's index includes for certain, and what it may include. */
export interface AnswerPosition {
  readonly applied: Position
  readonly seen: Position
  readonly forks: Forks
}

export interface RegionalIndexesOptions {
  readonly region: string
  readonly follower: Follower
  readonly log: Pick<ChangeLog, 'state'>
  readonly reader: CopyReader
  readonly pace: Pace
  readonly clock: PrimaryClock
  /** Cut off from the change log for longer than this, an index is stale. */
  readonly staleAfterMs: number
  /** How far this region's data Redis is behind the primary; `undefined` while unknown. */
  readonly replicationLagMs: () => number | undefined
}

/**
 * This region's copies of the indexes, as searches and status see them.
 *
 * An answer is given only if the data Redis vouches for it: if, at a moment of the call itself, nothing of what the index may
 * hold was taken back by a fork. So what a failover lost is never found again, not even before the follower has noticed.
 */
export class RegionalIndexes {
  readonly #options: RegionalIndexesOptions
  readonly #rebuilds = new Map<string, number>()
  #lastValues: readonly (string | undefined)[] | undefined
  #lastState: AnswerState | undefined

  constructor(options: RegionalIndexesOptions) {
    this.#options = options
  }

  /** Whether this region's data Redis has told which indexes there are. */
  get known(): boolean {
    return this.#options.follower.catalogue.known
  }

  /** The indexes that this region knows. */
  get definitions(): readonly IndexDefinition[] {
    const { catalogue } = this.#options.follower
    return catalogue.known ? [...catalogue.definitions.values()] : []
  }

  /** Changes whenever the copies do; `undefined` while nothing is known of them. */
  get revision(): number | undefined {
    return this.#options.follower.checkpoint?.revision
  }

  /** What a name stands for as far as this region's copies go, and the position at which that is so. */
  named(namespace: string, name: string): { found: RegionalName; at: AnswerPosition } {
    const { catalogue, checkpoint } = this.#options.follower
    if (!catalogue.known) {
      const text =
        "This region doesn't know its indexes yet: its data Redis has not answered. Try again shortly."
      throw refusal('DATA_UNAVAILABLE', text, { retryDelayMs: 200 })
    }
    const forks = checkpoint?.forks ?? new Map<number, number>()
    const found = catalogue.named(namespace, name, this.#appliedHere())
    return { found, at: { applied: found.until, seen: found.until, forks } }
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
    const [{ before, found, after }, data] = await Promise.all([
      reader.search(indexUid, query, { ...options, checkpointFields }),
      this.#options.log.state(),
    ])
    return { found, at: this.#between(indexUid, this.#state(before), this.#state(after), { level, data }) }
  }

  /** Reads an index by several commands; says where it was. @throws StatusError INDEX_BUILDING. */
  async read<T>(
    indexUid: string,
    read: (reader: CopyReader) => Promise<T>,
  ): Promise<{ result: T; at: AnswerPosition }> {
    const { reader, pace, log } = this.#options
    pace.searched()
    const level = this.#options.follower.level
    const fields = answerFields(indexUid)
    const [values, data] = await Promise.all([reader.checkpoint(fields), log.state()])
    const before = this.#state(values)
    if (!before) throw this.#building(indexUid)
    const result = await read(reader)
    const after = this.#state(await reader.checkpoint(fields))
    return { result, at: this.#between(indexUid, before, after, { level, data }) }
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
    const { reader, follower, log } = this.#options
    while (!signal.aborted) {
      const level = follower.level
      const [values, data] = await Promise.all([reader.checkpoint(answerFields(indexUid)), log.state()])
      const state = this.#state(values)
      if (state) {
        const { applied, forks } = this.#between(indexUid, state, state, { level, data })
        if (coverageOf(position, applied, forks, false) === 'included') return
      }
      const leftMs = deadlineMs - Date.now()
      if (leftMs <= 0) break
      await follower.changed(Math.min(leftMs, 50), signal)
    }
    signal.throwIfAborted()
    const text = `${this.#options.region}'s copy of the index doesn't hold everything before this call yet; try again later`
    throw refusal('INDEX_BUILDING', text, { retryDelayMs: 1_000 })
  }

  /** Says how much of an index is filled anew, 0 to 1; `undefined`: it isn't any more. */
  rebuilding(indexUid: string, part: number | undefined): void {
    if (part === undefined) this.#rebuilds.delete(indexUid)
    else this.#rebuilds.set(indexUid, part)
  }

  /**
   * Vectors of chunks drawn at random, some maybe twice, packed as in the index; of a copy that is being filled, too.
   * None while the copy has fewer than `countMin` chunks.
   */
  async sampleVectors(
    indexUid: string,
    { count, countMin }: { readonly count: number; readonly countMin: number },
  ): Promise<Buffer[]> {
    const { reader } = this.#options
    const [there = 0] = await reader.counts([indexUid])
    if (there < countMin) return []
    const ids = await reader.randomIds(indexUid, count)
    const vectors: Buffer[] = []
    while (ids.length > 0) {
      const rows = await reader.copies(indexUid, ids.splice(0, SAMPLED_AT_ONCE), [FIELD.embedding])
      vectors.push(...rows.flatMap((row) => row[FIELD.embedding] ?? []))
    }
    return vectors
  }

  /** How this region's copies of indexes are. */
  async describe(definitions: readonly IndexDefinition[]): Promise<RegionalIndex[]> {
    const { follower, reader, region, staleAfterMs, replicationLagMs, clock } = this.#options
    const { checkpoint } = follower
    const counts = await reader.counts(definitions.map((d) => d.uid)).catch(() => [])
    const { pending } = follower
    // What is pending came after the indexes were level the last time.
    const lagMs = pending > 0 && checkpoint?.levelAtMs ? Math.max(0, clock.nowMs() - checkpoint.levelAtMs) : 0
    const stale = Math.max(follower.cutOffForMs, replicationLagMs() ?? 0) > staleAfterMs
    return definitions.map(({ namespace, name, uid }, i) => {
      const complete = this.complete(uid)
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
        progress: this.#progress(uid),
      })
    })
  }

  /** How all of this region's copies are. */
  describeAll(): Promise<RegionalIndex[]> {
    return this.describe([...this.#options.follower.catalogue.definitions.values()])
  }

  /** Whether this region's copy of an index is one that answers. */
  complete(indexUid: string): boolean {
    const { follower, reader, region } = this.#options
    const { checkpoint } = follower
    return reader.usable && checkpoint?.region === region && checkpoint.complete.has(indexUid)
  }

  /** Whether an index is known here, but the entry that made it isn't applied yet: a moment later it will be. */
  arriving(indexUid: string): boolean {
    const made = parsePosition(indexUid)
    return made !== undefined && !this.complete(indexUid) && comparePositions(made, this.#appliedHere()) > 0
  }

  /** False while indexes exist and none answers. */
  get serving(): boolean {
    const uids = [...this.#options.follower.catalogue.definitions.keys()]
    return uids.length === 0 || uids.some((uid) => this.complete(uid))
  }

  /** How much is done of what is being done about an index, 0 to 1. */
  #progress(indexUid: string): number {
    const { repair } = this.#options.follower.checkpoint ?? {}
    return repair?.progress.get(indexUid) ?? this.#rebuilds.get(indexUid) ?? (this.complete(indexUid) ? 1 : 0)
  }

  #appliedHere(): Position {
    const { level, checkpoint } = this.#options.follower
    return laterPosition(level?.clock ?? ORIGIN, checkpoint?.applied ?? ORIGIN)
  }

  /** A look that found the same as the one before comes as the same array. */
  #state(values: readonly (string | undefined)[]): AnswerState | undefined {
    if (values !== this.#lastValues) {
      this.#lastState = answerState(values, this.#options.region)
      this.#lastValues = values
    }
    return this.#lastState
  }

  /** Where an answer was that was given between two looks at the checkpoint. @throws StatusError INDEX_BUILDING */
  #between(
    indexUid: string,
    before: AnswerState | undefined,
    after: AnswerState | undefined,
    { level, data }: { level: Follower['level']; data: DataState },
  ): AnswerPosition {
    if (!before || !after || after.clusterId !== data.clusterId) throw this.#building(indexUid)
    const { applied, log, repairing } = before
    // Nothing came after this checkpoint's entry until the clock was there: writes to the cache, which no index shows.
    const exact = level && !repairing && samePosition(level.log, log)
    const reached = exact ? laterPosition(level.clock, applied) : applied
    const held = [before.seen, reached, after.seen]
    const coverages = new Set(held.map((position) => coverageOf(position, data.clock, data.forks, false)))
    const oneHistory = coverageOf(before.seen, after.seen, after.forks, false) === 'included'
    if (!oneHistory || coverages.has('lost')) throw this.#rolledBack()
    // A data Redis that is behind its index, one that was restarted, doesn't know all forks.
    const forks = coverages.has('behind') ? after.forks : data.forks
    return { applied: reached, seen: laterPosition(reached, after.seen), forks }
  }

  #rolledBack(): StatusError {
    const text = `${this.#options.region}'s copy of the index holds changes that a failover took back; they are being removed`
    return refusal('INDEX_BUILDING', text, { retryDelayMs: 500 })
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
