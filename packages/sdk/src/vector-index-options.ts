import type { ReadOptions, WriteOptions } from './call-options.ts'
import type { View } from './chunk.ts'
import type { Filter } from './filter.ts'
import type { EmbeddingModel } from './index-definition.ts'

/** Which index. */
export interface VectorIndexOptions {
  /** Default `default`. */
  readonly namespace?: string | undefined
  /** The model that makes the vectors; needed for `ensureIndex`, `upsert` and `search`. */
  readonly model?: EmbeddingModel | undefined
}

/** What to search for. */
export interface SearchOptions extends ReadOptions {
  /** Hits wanted, 1 to 1,000. Default 10. */
  readonly k?: number | undefined
  /** Only among the chunks for which it holds. */
  readonly filter?: Filter | undefined
  /** Only hits at most this far away. */
  readonly maxDistance?: number | undefined
  /** HNSW's breadth of search: larger finds more of the true neighbours, slower. Default: the index's. */
  readonly efRuntime?: number | undefined
  /** Which parts of the chunks. Default `basic`: all but the vector. */
  readonly view?: View | undefined
}

/** How far a bulk write is. */
export interface UpsertProgress {
  /** Chunks acknowledged. */
  readonly upserted: number
  /** Chunks in all, when the source is an array. */
  readonly total: number | undefined
}

/** How to write chunks. */
export interface UpsertOptions extends WriteOptions {
  /** Hears after each call that was acknowledged. */
  readonly onProgress?: ((progress: UpsertProgress) => void) | undefined
  /** Calls in flight at once. Default 4. */
  readonly concurrency?: number | undefined
  /** Chunks a call, at most 1,000. Default 200: more of them hold up everyone else's writes. */
  readonly batchSize?: number | undefined
}

/** How to get chunks. */
export interface GetChunksOptions extends ReadOptions {
  /** Which parts of the chunks. Default `basic`: all but the vector. */
  readonly view?: View | undefined
}

/** How to list chunks. */
export interface ListOptions extends GetChunksOptions {
  /** Only the chunks for which it holds. */
  readonly filter?: Filter | undefined
  /** Chunks a page, 1 to 1,000. Default 100. */
  readonly pageSize?: number | undefined
}
