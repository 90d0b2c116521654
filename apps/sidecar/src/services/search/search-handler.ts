import { create } from '@bufbuild/protobuf'
import {
  HitSchema,
  type SearchRequest,
  type SearchResponse,
  SearchResponseSchema,
  SearchService,
} from '@perigee/protocol'
import { compileFilter } from '../../follower/filter-query.ts'
import { HitsField } from '../../follower/shown-chunk.ts'
import type { UnaryHandler } from '../../grpc/call.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import type { Found } from '../../redis/search-commands.ts'
import { StatusError } from '../../status-error.ts'
import { checkSearch, type SearchInput } from '../validation/search-request.ts'
import { packVector } from '../validation/vector.ts'
import { chunkBytes, chunkMessage, fieldsOf } from './chunk-message.ts'
import { type FoundIndexes, indexRead } from './index-lookup.ts'
import { type Near, nearest } from './nearest.ts'
import type { SearchServiceOptions } from './search-service.ts'

/** Answers Search. */
export function searchHandler(options: SearchServiceOptions): UnaryHandler<SearchRequest, SearchResponse> {
  const { data, indexes, readPath, limits, primaryClock } = options
  return (request, call) => {
    const input = checkSearch(request, limits)
    const answer = async ({ indexes: [definition] }: FoundIndexes) => {
      const near = await nearest(indexes, {
        definition,
        vector: packVector('vector', input.vector, definition),
        k: input.k,
        filter: (livingAtMs) => compileFilter(input.filter, definition, livingAtMs),
        maxDistance: input.maxDistance,
        efRuntime: input.efRuntime,
        fields: input.view === 'BASIC' ? undefined : fieldsOf(input.view),
        nowMs: primaryClock.nowMs(),
        timeoutMs: Math.max(1, Math.min(options.searchTimeoutMs, Math.floor(call.deadlineMs - Date.now()))),
      })
      return { response: responseOf(near, input, definition, limits.messageBytesMax), at: near.at }
    }
    const empty = create(SearchResponseSchema)
    const read = { data, indexes, call, ...input, empty, answer }
    return readPath.run(SearchService.method.search, request, call, indexRead<SearchResponse>(read))
  }
}

function responseOf(
  { hits, found }: { readonly hits: readonly Near[]; readonly found: Found },
  { view }: SearchInput,
  { vectorType }: IndexDefinition,
  bytesMax: number,
): SearchResponse {
  const bytes = hits.reduce((sum, near) => sum + bytesOf(near.found, view) + 12, 0)
  if (bytes > bytesMax) {
    throw new StatusError(
      'RESOURCE_EXHAUSTED',
      `The answer would have about ${bytes} bytes, over the ${bytesMax} of a message. Ask for a smaller k, or for CHUNK_VIEW_ID and then GetChunks.`,
    )
  }
  const response = create(SearchResponseSchema)
  // All of them are of one kind.
  const encoded: { shown: Buffer; distance: number }[] = []
  for (const { found: hit, distance } of hits) {
    if ('shown' in hit) encoded.push({ shown: hit.shown, distance })
    else response.hits.push(create(HitSchema, { chunk: chunkMessage(hit.copy, view, vectorType), distance }))
  }
  if (encoded.length > 0) response.$unknown = [new HitsField(encoded, () => found.release?.())]
  return response
}

function bytesOf(found: Near['found'], view: SearchInput['view']): number {
  return 'shown' in found ? found.shown.length : chunkBytes(found.copy, view)
}
