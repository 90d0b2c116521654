import { create } from '@bufbuild/protobuf'
import {
  type GetIndexRequest,
  type GetIndexResponse,
  GetIndexResponseSchema,
  type ListIndexesRequest,
  type ListIndexesResponse,
  ListIndexesResponseSchema,
  SearchService,
} from '@perigee/protocol'
import type { UnaryHandler } from '../../grpc/call.ts'
import {
  checkGetIndex,
  checkListIndexes,
  type GetIndexInput,
  type ListIndexesInput,
} from '../validation/index-requests.ts'
import { readPageToken, writePageToken } from '../validation/page-token.ts'
import { atClock, indexNotFound } from './index-lookup.ts'
import { indexMessage } from './index-message.ts'
import type { SearchServiceOptions } from './search-service.ts'

/** Answers GetIndex. */
export function getIndexHandler(
  options: SearchServiceOptions,
): UnaryHandler<GetIndexRequest, GetIndexResponse> {
  const { data, readPath } = options
  return (request, call) => {
    const input = checkGetIndex(request)
    return readPath.run(SearchService.method.getIndex, request, call, {
      answer: (primary) => getIndex(options, input, primary),
      changed: (known, timeoutMs, signal) => data.changed(known, timeoutMs, signal),
    })
  }
}

async function getIndex(
  { data, indexes, otherRegions }: SearchServiceOptions,
  input: GetIndexInput,
  primary: boolean,
) {
  const { namespace, name } = input
  const { clock, ...found } = await data.named(namespace, name, { primary })
  const at = await atClock(data, clock)
  const response = create(GetIndexResponseSchema)
  const [first] = found.indexes
  if (!first) return { response, ...at, refusal: indexNotFound(namespace, name) }
  response.index = indexMessage(first)
  const names = new Set(found.indexes.map((index) => index.name))
  const others = otherRegions().filter((r) => r.namespace === namespace && names.has(r.index))
  response.regions = [...(await indexes.describe(found.indexes)), ...others]
  return { response, ...at }
}

/** Answers ListIndexes. */
export function listIndexesHandler(
  options: SearchServiceOptions,
): UnaryHandler<ListIndexesRequest, ListIndexesResponse> {
  const { data, readPath, limits } = options
  return (request, call) => {
    const input = checkListIndexes(request, limits)
    return readPath.run(SearchService.method.listIndexes, request, call, {
      answer: (primary) => listIndexes(options, input, primary),
      changed: (known, timeoutMs, signal) => data.changed(known, timeoutMs, signal),
    })
  }
}

async function listIndexes({ data }: SearchServiceOptions, input: ListIndexesInput, primary: boolean) {
  const { namespace, pageSize } = input
  const list = ['ListIndexes', namespace]
  const after = readPageToken(list, input.pageToken)
  const { indexes, aliases, clock } = await data.listIndexes(namespace, { primary })
  // No index has an alias's name: the pages go over both, by name.
  const names = [...indexes, ...aliases].map(({ name }) => name).sort()
  const rest = names.filter((name) => after === undefined || name > after)
  const page = new Set(rest.slice(0, pageSize))
  const last = rest.length > page.size ? rest[page.size - 1] : undefined
  const response = create(ListIndexesResponseSchema, {
    indexes: indexes.filter(({ name }) => page.has(name)).map(indexMessage),
    aliases: aliases
      .filter(({ name }) => page.has(name))
      .map((alias) => ({ name: alias.name, indexes: [...alias.indexes] })),
    nextPageToken: last === undefined ? '' : writePageToken(list, last),
  })
  return { response, ...(await atClock(data, clock)) }
}
