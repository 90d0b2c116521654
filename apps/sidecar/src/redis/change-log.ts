import type { Forks, Position } from '@perigee/core'
import type { AliasDefinition, IndexDefinition } from './index-definition.ts'

/** A change that the log names. `claim` opens an epoch. */
export type LogOperation =
  | 'claim'
  | 'create-index'
  | 'drop-index'
  | 'put-alias'
  | 'delete-alias'
  | 'upsert'
  | 'delete'

/** One entry of the change log; its position is its Redis Stream id. */
interface LogEntry {
  readonly position: Position
  /** Position of the entry before it in the log; a reader that has another one has a gap. */
  readonly previous: Position
  readonly operation: LogOperation
  /** Empty for `claim` and aliases. */
  readonly indexUid: string
  /** Empty but for `upsert` and `delete`, and for aliases, whose namespace and name it is. */
  readonly chunkId: string
}

/** A chunk as the data Redis holds it. */
export interface StoredChunk {
  readonly indexUid: string
  readonly id: string
  readonly text: string
  /** Packed little-endian in the index's vector type: what RediSearch takes as it is. */
  readonly vector: Buffer
  /** A JSON object. */
  readonly metadata: string
  /** Empty: every region indexes it. */
  readonly regionTags: readonly string[]
  readonly position: Position
  /** Unix milliseconds by the primary Redis's clock. */
  readonly writtenAtMs: number
  /** Unix milliseconds by the primary Redis's clock; absent: never. */
  readonly expiresAtMs?: number
}

/** One consistent look at the log and what it names, taken in one read-only function call. */
export interface LogBatch {
  /** In order, all after the position asked. */
  readonly entries: readonly LogEntry[]
  /** Those that `upsert` entries name and that still exist, each once; they may be newer than their entry. */
  readonly chunks: readonly StoredChunk[]
  /** Newest position of this data Redis when the batch was read. */
  readonly clock: Position
  /** Position of the newest log entry when the batch was read; the origin of an empty log. */
  readonly newest: Position
  readonly forks: Forks
  /** The cluster's id; absent before its first claim. */
  readonly clusterId?: string | undefined
  /** How many entries the log has ever taken (`entries-added` of XINFO STREAM); absent while it is empty. */
  readonly added?: number | undefined
}

/** One page of a scan over all chunks, in no order; a chunk may come twice. */
export interface ChunkScan {
  readonly chunks: readonly StoredChunk[]
  /** Newest position of this data Redis when the page was read. */
  readonly clock: Position
  /** `0` when the scan is complete. */
  readonly cursor: string
}

/** What a data Redis holds: up to where, and of which history. */
export interface DataState {
  readonly clock: Position
  readonly forks: Forks
  readonly clusterId: string
}

/** Fields of a chunk that a read brings along: all, all but the vector, or position, tags and times alone. */
export type ChunkFields = 'all' | 'no-vector' | 'position'

/** The follower's view of its region's data Redis. Every method throws `StatusError` DATA_UNAVAILABLE when that can't answer. */
export interface ChangeLog {
  /** What the data Redis holds now. */
  state(): Promise<DataState>
  /**
   * The next entries after a position, at most so many (0: none, to learn of the clock alone) and fewer where their chunks
   * are large, those chunks and the clock, in one atomic step.
   */
  read(after: Position, countMax: number): Promise<LogBatch>
  /** All indexes and aliases of all namespaces, with the clock they were read at, in one atomic step. */
  indexes(): Promise<{
    readonly indexes: readonly IndexDefinition[]
    readonly aliases: readonly AliasDefinition[]
    readonly clock: Position
  }>
  /** How many times the data Redis was connected to: a scan's cursor means nothing to the next connection's process. */
  readonly connects: number
  /** The next page of all chunks of an index; fields left out are empty. */
  scan(indexUid: string, cursor: string, count: number, fields: 'all' | 'position'): Promise<ChunkScan>
  /**
   * Chunks by id, read atomically with the clock: each is the chunk, `undefined` when there is none, or `'unread'` when
   * the answer would be too large (the first one found never is). Fields left out are empty.
   */
  chunks(
    indexUid: string,
    ids: readonly string[],
    fields: 'all' | 'position',
  ): Promise<{ readonly chunks: readonly (StoredChunk | 'unread' | undefined)[]; readonly clock: Position }>
  /**
   * Resolves when the data Redis's clock is not `known` any more, or after `timeoutMs` at most, or when the signal
   * aborts: woken by client tracking, and by asking again where tracking may have missed something.
   */
  changed(known: Position, timeoutMs: number, signal: AbortSignal): Promise<void>
}
