import { create } from '@bufbuild/protobuf'
import type { Limits } from '@perigee/core'
import {
  type GetChunksRequest,
  type GetChunksResponse,
  GetChunksResponseSchema,
  type ListChunksRequest,
  type ListChunksResponse,
  ListChunksResponseSchema,
  SearchService,
} from '@perigee/protocol'
import { compileFilter } from '../../follower/filter-query.ts'
import type { UnaryHandler } from '../../grpc/call.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import type { LocalAnswer } from '../read-path.ts'
import {
  checkGetChunks,
  checkListChunks,
  type GetChunksInput,
  type ListChunksInput,
  type View,
} from '../validation/chunk-requests.ts'
import { readPageToken, writePageToken } from '../validation/page-token.ts'
import { listCopies } from './chunk-listing.ts'
import { chunkBytes, chunkMessage, fieldsOf } from './chunk-message.ts'
import { atClock, indexNotFound, indexRead } from './index-lookup.ts'
import type { SearchServiceOptions } from './search-service.ts'

const CHUNK_FIELDS = { ID: 'position', BASIC: 'no-vector', FULL: 'all' } as const
const PAGE_TIMEOUT_MS = 1_000
const WINDOW_MAX = 1_000
const WINDOW_BYTES = 4 * 1024 * 1024
const CHUNK_BYTES_GUESSED = 2_048

/** Bytes of chunks in one answer; the rest is for the receipt. */
function bytesMaxOf({ messageBytesMax }: Limits): number {
  return messageBytesMax - Math.min(4_096, messageBytesMax / 4)
}

/** Answers GetChunks, from the data Redis. */
export function getChunksHandler(
  options: SearchServiceOptions,
): UnaryHandler<GetChunksRequest, GetChunksResponse> {
  const { data, readPath, limits } = options
  return (request, call) => {
    const input = checkGetChunks(request, limits)
    return readPath.run(SearchService.method.getChunks, request, call, {
      answer: (primary) => getChunks(options, input, primary),
      changed: (known, timeoutMs, signal) => data.changed(known, timeoutMs, signal),
    })
  }
}

async function getChunks(
  { data, limits }: SearchServiceOptions,
  { namespace, index, ids, view }: GetChunksInput,
  primary: boolean,
): Promise<LocalAnswer<GetChunksResponse>> {
  const { definition, clock } = await data.indexDefinition(namespace, index, { primary })
  const response = create(GetChunksResponseSchema)
  if (!definition) {
    return { response, ...(await atClock(data, clock)), refusal: indexNotFound(namespace, index) }
  }
  const bytesMax = bytesMaxOf(limits)
  const demand = { primary, fields: CHUNK_FIELDS[view], bytesMax }
  const found = await data.readChunks(definition.uid, ids, demand)
  let bytes = 0
  for (const [i, chunk] of found.chunks.entries()) {
    if (chunk === undefined) continue
    if (chunk !== 'unread') bytes += chunkBytes(chunk, view)
    if (chunk === 'unread' || (bytes > bytesMax && response.chunks.length > 0))
      response.unreadIds.push(ids[i] ?? '')
    else response.chunks.push(chunkMessage(chunk, view, definition.vectorType))
  }
  return { response, applied: clock, seen: found.clock, forks: found.forks }
}

/** Answers ListChunks, from the region's index. */
export function listChunksHandler(
  options: SearchServiceOptions,
): UnaryHandler<ListChunksRequest, ListChunksResponse> {
  const { data, indexes, readPath, limits } = options
  return (request, call) => {
    const input = checkListChunks(request, limits)
    const answer = (definition: IndexDefinition) => listChunks(options, input, definition)
    const empty = create(ListChunksResponseSchema)
    const read = { data, indexes, call, ...input, empty, answer }
    return readPath.run(SearchService.method.listChunks, request, call, indexRead<ListChunksResponse>(read))
  }
}

async function listChunks(
  { indexes, limits, primaryClock }: SearchServiceOptions,
  input: ListChunksInput,
  definition: IndexDefinition,
) {
  const { view } = input
  // Bound to this very index, so that a listing doesn't go on in another one of the same name.
  const list = ['ListChunks', input.namespace, input.index, definition.uid]
  const after = readPageToken(list, input.pageToken)
  const filter = input.filter && compileFilter(input.filter, definition)
  const { result, at } = await indexes.read(definition.uid, (reader) =>
    listCopies(reader, {
      indexUid: definition.uid,
      filter,
      after,
      countMax: input.pageSize,
      bytesMax: bytesMaxOf(limits),
      bytesOf: (copy) => chunkBytes(copy, view),
      fields: fieldsOf(view),
      windowMax: windowMaxOf(view, definition),
      nowMs: primaryClock.nowMs(),
      timeoutMs: PAGE_TIMEOUT_MS,
    }),
  )
  const response = create(ListChunksResponseSchema, {
    chunks: result.copies.map((copy) => chunkMessage(copy, view, definition.vectorType)),
    nextPageToken: result.next === undefined ? '' : writePageToken(list, result.next),
  })
  return { response, at }
}

function windowMaxOf(view: View, { dimensions, vectorType }: IndexDefinition): number {
  if (view === 'ID') return WINDOW_MAX
  const vector = view === 'FULL' ? dimensions * (vectorType === 'FLOAT64' ? 8 : 4) : 0
  return Math.max(20, Math.min(WINDOW_MAX, Math.floor(WINDOW_BYTES / (CHUNK_BYTES_GUESSED + vector))))
}
