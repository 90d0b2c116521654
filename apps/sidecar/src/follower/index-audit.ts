/*
 * Compares a region's index with the chunks that it should hold, while both go on changing, and has it mended or filled anew.
 *
 * What differs at first sight is judged only once the index includes the clock at which the chunk was looked at, and only
 * if the chunk was the same before and after its copy was looked at. So a change under way is never taken for a fault, and
 * a fault is told as what it is. Nothing is written here: the follower does that.
 */
import { comparePositions, formatPosition, type Position, parsePosition } from '@perigee/core'
import type { ChangeLog, StoredChunk } from '../redis/change-log.ts'
import type { CopyPresence, CopyReader } from '../redis/copy-reader.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { dataUnavailable } from '../redis/redis-status.ts'
import { meantFor } from './copy.ts'
import type { Follower } from './follower.ts'
import type { RegionalIndexes } from './regional-indexes.ts'
import { ScanProgress } from './scan-progress.ts'
import { goesOn } from './situation.ts'

const PAGE = 200
const COPIES_PAGE = 1_000
const READ_TIMEOUT_MS = 5_000
/** How long the index may take to include what was written before a look. */
const CATCH_UP_MS = 30_000
/** A chunk that changes at every look, this often, is let be. */
const LOOKS_MAX = 10
// The walk over copies is the shorter part.
const SCAN_PART = 0.9

/** What a comparison has found so far. */
export interface Findings {
  /** Chunks that were compared. */
  readonly checked: number
  /** Chunks without a copy. */
  readonly missing: number
  /** Copies of another version than their chunk. */
  readonly outdated: number
  /** Copies without a chunk, or not meant for this region. */
  readonly orphaned: number
  /** Of those three, how many were mended. */
  readonly repaired: number
}

/** Of one copy. */
type Fault = 'missing' | 'outdated' | 'orphaned'

export interface IndexAuditOptions {
  readonly region: string
  readonly log: ChangeLog
  readonly reader: CopyReader
  readonly indexes: RegionalIndexes
  readonly follower: Pick<Follower, 'write' | 'changed'>
}

/** Verifies and rebuilds this region's copies of indexes. */
export class IndexAudit {
  readonly #options: IndexAuditOptions

  constructor(options: IndexAuditOptions) {
    this.#options = options
  }

  /**
   * Compares an index with its chunks, by id and version; tells what it has found so far after every page.
   *
   * @throws StatusError INDEX_BUILDING while the index doesn't answer, DATA_UNAVAILABLE when one of the Redis doesn't.
   */
  async *verify(
    definition: IndexDefinition,
    { repair, signal }: { repair: boolean; signal: AbortSignal },
  ): AsyncGenerator<Findings> {
    const { uid } = definition
    const { clock } = await this.#options.log.state()
    await this.#include(uid, clock, signal)
    const counts = { checked: 0, missing: 0, outdated: 0, orphaned: 0, repaired: 0 }
    const told = new Set<string>()
    const take = async (suspects: readonly string[]) => {
      const untold = suspects.filter((id) => !told.has(id))
      const faults = await this.#faults(definition, untold, signal)
      for (const [id, fault] of faults) {
        told.add(id)
        counts[fault] += 1
      }
      if (!repair || faults.size === 0) return
      const ids = [...faults.keys()]
      await this.#options.follower.write(uid, ids, signal)
      counts.repaired += ids.length - (await this.#faults(definition, ids, signal)).size
    }
    for await (const { chunks } of this.#chunkPages(uid, signal)) {
      const wanted = chunks.map((chunk) => this.#wanted(chunk, definition))
      const ids = chunks.map(({ id }) => id)
      const there = await this.#there(uid, ids)
      await take(ids.filter((_, i) => faultOf(wanted[i], there[i]) !== undefined))
      counts.checked += wanted.filter((version) => version !== undefined).length
      yield { ...counts }
    }
    for await (const ids of this.#copyPages(uid, signal)) {
      await take(await this.#withoutChunk(uid, ids))
      yield { ...counts }
    }
  }

  /** Writes every copy of an index anew, one after another, so that it serves meanwhile; tells the part done, 0 to 1. */
  async *rebuild({ uid }: IndexDefinition, signal: AbortSignal): AsyncGenerator<number> {
    const { follower, indexes } = this.#options
    // One that doesn't answer yet is being filled anew already.
    while (!indexes.complete(uid)) {
      yield 0
      await follower.changed(500, signal)
      signal.throwIfAborted()
    }
    let done = 0
    try {
      indexes.rebuilding(uid, 0)
      for await (const { chunks, part } of this.#chunkPages(uid, signal)) {
        await follower.write(
          uid,
          chunks.map(({ id }) => id),
          signal,
        )
        done = Math.max(done, SCAN_PART * part)
        indexes.rebuilding(uid, done)
        yield done
      }
      for await (const ids of this.#copyPages(uid, signal)) {
        await follower.write(uid, await this.#withoutChunk(uid, ids), signal)
        yield done
      }
    } finally {
      indexes.rebuilding(uid, undefined)
    }
    yield 1
  }

  /** Which of the copies differ from their chunks for certain, and how. */
  async #faults(
    definition: IndexDefinition,
    suspects: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, Fault>> {
    const faults = new Map<string, Fault>()
    let left = suspects
    for (let look = 0; look < LOOKS_MAX && left.length > 0; look++) {
      const before = await this.#look(definition.uid, left)
      await this.#include(definition.uid, before.clock, signal)
      const there = await this.#there(definition.uid, left)
      const after = await this.#look(definition.uid, left)
      if (!goesOn(before.clock, after.clock)) continue
      left = left.filter((id, i) => {
        const chunk = after.chunks[i]
        const changed = versionOf(chunk) !== versionOf(before.chunks[i])
        // Written and deleted between the two looks.
        const passing = !chunk && isAfter(there[i]?.version, before.clock)
        if (changed || passing) return true
        const fault = faultOf(chunk && this.#wanted(chunk, definition), there[i])
        if (fault) faults.set(id, fault)
        return false
      })
    }
    return faults
  }

  /** Waits until the index includes a position. */
  async #include(indexUid: string, position: Position, signal: AbortSignal): Promise<void> {
    const { indexes } = this.#options
    const untilMs = indexes.complete(indexUid) ? Date.now() + CATCH_UP_MS : Date.now()
    await indexes.includes(indexUid, position, untilMs, signal)
  }

  #wanted(chunk: StoredChunk, definition: IndexDefinition): string | undefined {
    return meantFor(this.#options.region, chunk, definition) ? versionOf(chunk) : undefined
  }

  #there(indexUid: string, ids: readonly string[]): Promise<CopyPresence[]> {
    return this.#options.reader.presence(indexUid, ids, READ_TIMEOUT_MS)
  }

  async #look(indexUid: string, ids: readonly string[]) {
    const { chunks, clock } = await this.#options.log.chunks(indexUid, ids, 'position')
    return { clock, chunks: chunks.map((chunk) => (typeof chunk === 'object' ? chunk : undefined)) }
  }

  async #withoutChunk(indexUid: string, ids: readonly string[]): Promise<string[]> {
    const { chunks } = await this.#look(indexUid, ids)
    return ids.filter((_, i) => chunks[i] === undefined)
  }

  async *#chunkPages(
    indexUid: string,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly chunks: readonly StoredChunk[]; readonly part: number }> {
    const { log } = this.#options
    const { connects } = log
    const progress = new ScanProgress()
    let cursor = '0'
    do {
      signal.throwIfAborted()
      const page = await log.scan(indexUid, cursor, PAGE, 'position')
      if (log.connects !== connects) throw dataUnavailable('it was connected to anew during a comparison')
      cursor = page.cursor
      yield { chunks: page.chunks, part: progress.at(cursor) }
    } while (cursor !== '0')
  }

  /** Ids of all copies: of those in the listing, and of what else is found under the index's prefix. */
  async *#copyPages(indexUid: string, signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const { reader } = this.#options
    let after: string | undefined
    do {
      signal.throwIfAborted()
      const ids = await reader.ids(indexUid, after, COPIES_PAGE)
      after = ids.at(-1)
      if (ids.length > 0) yield ids
    } while (after !== undefined)
    let cursor = '0'
    do {
      signal.throwIfAborted()
      const page = await reader.scan(indexUid, cursor, COPIES_PAGE)
      cursor = page.cursor
      if (page.ids.length > 0) yield page.ids
    } while (cursor !== '0')
  }
}

function versionOf(chunk: StoredChunk | undefined): string | undefined {
  return chunk && formatPosition(chunk.position)
}

/** What is wrong with a copy, if anything. @param wanted the version it should have; `undefined`: there should be none. */
function faultOf(wanted: string | undefined, there: CopyPresence | undefined): Fault | undefined {
  const { version, listed = false } = there ?? {}
  if (wanted === undefined) return version !== undefined || listed ? 'orphaned' : undefined
  if (version === undefined) return 'missing'
  return version === wanted && listed ? undefined : 'outdated'
}

function isAfter(version: string | undefined, clock: Position): boolean {
  const position = parsePosition(version ?? '')
  return position !== undefined && comparePositions(position, clock) > 0
}
