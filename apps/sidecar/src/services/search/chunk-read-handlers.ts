import { create } from '@bufbuild/protobuf'
import { comparePositions, type Limits, laterPosition } from '@perigee/core'
import {
  type GetChunksRequest,
  type GetChunksResponse,
  GetChunksResponseSchema,
  type ListChunksRequest,
  type ListChunksResponse,
  ListChunksResponseSchema,
  SearchService,
} from '@perigee/protocol'
import { compileFilterAmongKeys } from '../../follower/filter-query.ts'
import type { AnswerPosition } from '../../follower/regional-indexes.ts'
import type { UnaryHandler } from '../../grpc/call.ts'
import type { StoredChunk } from '../../redis/change-log.ts'
import type { IndexDefinition, NamedIndexes } from '../../redis/index-definition.ts'
import { invalidField } from '../../status-error.ts'
import type { LocalAnswer } from '../read-path.ts'
import {
  checkGetChunks,
  checkListChunks,
  type GetChunksInput,
  type ListChunksInput,
  type View,
} from '../validation/chunk-requests.ts'
import { readPageToken, writePageToken } from '../validation/page-token.ts'
import { type Listing, listCopies, mergeListings } from './chunk-listing.ts'
import { chunkBytes, chunkMessage, fieldsOf } from './chunk-message.ts'
import { atClock, type FoundIndexes, indexNotFound, indexRead } from './index-lookup.ts'
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
  const { clock, ...found } = await data.named(namespace, index, { primary })
  const response = create(GetChunksResponseSchema)
  const mixed = refusalOfView(view, found)
  if (found.indexes.length === 0 || mixed) {
    const refusal = mixed ?? indexNotFound(namespace, index)
    return { response, ...(await atClock(data, clock)), refusal }
  }
  const bytesMax = bytesMaxOf(limits)
  const demand = { primary, fields: CHUNK_FIELDS[view], bytesMax }
  const reads: Awaited<ReturnType<typeof data.readChunks>>[] = []
  for (const { uid } of found.indexes) reads.push(await data.readChunks(uid, ids, demand))
  const type = found.indexes[0]?.vectorType ?? 'FLOAT32'
  let bytes = 0
  for (const [i, id] of ids.entries()) {
    const chunk = writtenLast(reads.map(({ chunks }) => chunks[i]))
    if (chunk === undefined) continue
    if (chunk !== 'unread') bytes += chunkBytes(chunk, view)
    if (chunk === 'unread' || (bytes > bytesMax && response.chunks.length > 0)) response.unreadIds.push(id)
    else response.chunks.push(chunkMessage(chunk, view, type))
  }
  const seen = reads.map((read) => read.clock).reduce(laterPosition, clock)
  return { response, applied: clock, seen, forks: reads.at(-1)?.forks ?? new Map() }
}

/** Of one id in all indexes of an alias: the chunk that was written last. */
function writtenLast(found: readonly (StoredChunk | 'unread' | undefined)[]) {
  if (found.includes('unread')) return 'unread'
  return found.reduce((a, b) => {
    if (typeof a !== 'object' || typeof b !== 'object') return a ?? b
    return comparePositions(a.position, b.position) < 0 ? b : a
  }, undefined)
}

/** Vectors of several models never come in one answer. */
function refusalOfView(view: View, { indexes, alias }: NamedIndexes) {
  if (view !== 'FULL' || indexes.length < 2) return undefined
  const names = indexes.map(({ name }) => name).join(', ')
  return invalidField(
    'view',
    `can't be CHUNK_VIEW_FULL by alias ${alias?.name}, whose indexes hold vectors of different models; name one of ${names}`,
  )
}

/** Answers ListChunks, from the region's index. */
export function listChunksHandler(
  options: SearchServiceOptions,
): UnaryHandler<ListChunksRequest, ListChunksResponse> {
  const { data, indexes, readPath, limits } = options
  return (request, call) => {
    const input = checkListChunks(request, limits)
    const answer = (found: FoundIndexes) => listChunks(options, input, found)
    const empty = create(ListChunksResponseSchema)
    const read = { data, indexes, call, ...input, empty, answer }
    return readPath.run(SearchService.method.listChunks, request, call, indexRead<ListChunksResponse>(read))
  }
}

async function listChunks(options: SearchServiceOptions, input: ListChunksInput, found: FoundIndexes) {
  const { view, pageSize } = input
  const mixed = refusalOfView(view, found)
  if (mixed) throw mixed
  const [first] = found.indexes
  // Bound to this very index, so that a listing doesn't go on in another one of the same name; by an alias it does.
  const list = ['ListChunks', input.namespace, input.index, found.alias ? 'alias' : first.uid]
  const after = readPageToken(list, input.pageToken)
  const pages: Listing[] = []
  let at: AnswerPosition | undefined
  for (const definition of found.indexes) {
    const bytesMax = bytesMaxOf(options.limits) / found.indexes.length
    const page = await listIndex(options, input, { definition, after, bytesMax })
    pages.push(page.result)
    at = at ? alsoAt(at, page.at) : page.at
  }
  const { copies, next } = pages.length === 1 ? (pages[0] as Listing) : mergeListings(pages, pageSize)
  const response = create(ListChunksResponseSchema, {
    chunks: copies.map((copy) => chunkMessage(copy, view, first.vectorType)),
    nextPageToken: next === undefined ? '' : writePageToken(list, next),
  })
  return { response, at: at as AnswerPosition }
}

function listIndex(
  { indexes, primaryClock }: SearchServiceOptions,
  { view, filter, pageSize }: ListChunksInput,
  page: { definition: IndexDefinition; after: string | undefined; bytesMax: number },
) {
  const { definition, after, bytesMax } = page
  const filters = filter && compileFilterAmongKeys(filter, definition)
  return indexes.read(definition.uid, (reader) =>
    listCopies(reader, {
      indexUid: definition.uid,
      filters,
      after,
      countMax: pageSize,
      bytesMax,
      bytesOf: (copy) => chunkBytes(copy, view),
      fields: fieldsOf(view),
      windowMax: windowMaxOf(view, definition),
      nowMs: primaryClock.nowMs(),
      timeoutMs: PAGE_TIMEOUT_MS,
    }),
  )
}

function alsoAt(a: AnswerPosition, b: AnswerPosition): AnswerPosition {
  const applied = comparePositions(a.applied, b.applied) < 0 ? a.applied : b.applied
  return { applied, seen: laterPosition(a.seen, b.seen), forks: b.forks }
}

function windowMaxOf(view: View, { dimensions, vectorType }: IndexDefinition): number {
  if (view === 'ID') return WINDOW_MAX
  const vector = view === 'FULL' ? dimensions * (vectorType === 'FLOAT64' ? 8 : 4) : 0
  return Math.max(20, Math.min(WINDOW_MAX, Math.floor(WINDOW_BYTES / (CHUNK_BYTES_GUESSED + vector))))
}
