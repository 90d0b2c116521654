import type { Limits } from '@perigee/core'
import { type RegionalIndex, SearchService } from '@perigee/protocol'
import type { RegionalIndexes } from '../../follower/regional-indexes.ts'
import type { ServiceHandlers, ServiceRegistration } from '../../grpc/call.ts'
import type { Writer } from '../../primary/writer.ts'
import type { PrimaryClock } from '../../primary-clock.ts'
import type { DataRedis } from '../../redis/data-redis.ts'
import type { ReadPath } from '../read-path.ts'
import type { WritePath } from '../write-path.ts'
import { deleteAliasHandler, putAliasHandler } from './alias-handlers.ts'
import { getChunksHandler, listChunksHandler } from './chunk-read-handlers.ts'
import type { DriftWatch } from './drift-watch.ts'
import { getIndexHandler, listIndexesHandler } from './index-handlers.ts'
import { searchHandler } from './search-handler.ts'
import {
  createIndexHandler,
  deleteChunksHandler,
  dropIndexHandler,
  upsertChunksHandler,
} from './write-handlers.ts'

/** What the search service is made of. */
export interface SearchServiceOptions {
  /** All regions of the cluster. */
  readonly regions: readonly string[]
  readonly limits: Limits
  readonly data: DataRedis
  readonly indexes: RegionalIndexes
  /** What this sidecar has heard of the other regions' copies. */
  readonly otherRegions: () => readonly RegionalIndex[]
  readonly writer: Writer
  readonly drift: DriftWatch
  readonly readPath: ReadPath
  readonly writePath: WritePath
  readonly primaryClock: PrimaryClock
  /** How long one search may take in the index Redis, milliseconds. */
  readonly searchTimeoutMs: number
}

/** `perigee.v1.SearchService`. */
export function createSearchService(options: SearchServiceOptions): ServiceRegistration {
  const handlers: ServiceHandlers<typeof SearchService.method> = {
    createIndex: createIndexHandler(options),
    getIndex: getIndexHandler(options),
    listIndexes: listIndexesHandler(options),
    dropIndex: dropIndexHandler(options),
    putAlias: putAliasHandler(options),
    deleteAlias: deleteAliasHandler(options),
    upsertChunks: upsertChunksHandler(options),
    deleteChunks: deleteChunksHandler(options),
    getChunks: getChunksHandler(options),
    listChunks: listChunksHandler(options),
    search: searchHandler(options),
  }
  return { service: SearchService, handlers: handlers as unknown as ServiceRegistration['handlers'] }
}
