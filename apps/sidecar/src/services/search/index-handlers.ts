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
  const { definition, clock } = await data.indexDefinition(namespace, name, { primary })
  const at = await atClock(data, clock)
  const response = create(GetIndexResponseSchema)
  if (!definition) return { response, ...at, refusal: indexNotFound(namespace, name) }
  response.index = indexMessage(definition)
  const others = otherRegions().filter((r) => r.namespace === namespace && r.index === name)
  response.regions = [...(await indexes.describe([definition])), ...others]
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
  const { indexes, clock } = await data.listIndexes(namespace, { primary })
  const rest = indexes.filter(({ name }) => after === undefined || name > after)
  const page = rest.slice(0, pageSize)
  const response = create(ListIndexesResponseSchema, {
    indexes: page.map(indexMessage),
    nextPageToken: rest.length > page.length ? writePageToken(list, page.at(-1)?.name ?? '') : '',
  })
  return { response, ...(await atClock(data, clock)) }
}
