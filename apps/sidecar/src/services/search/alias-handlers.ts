import { create } from '@bufbuild/protobuf'
import {
  type DeleteAliasRequest,
  type DeleteAliasResponse,
  DeleteAliasResponseSchema,
  type PutAliasRequest,
  type PutAliasResponse,
  PutAliasResponseSchema,
  SearchService,
} from '@perigee/protocol'
import type { UnaryHandler } from '../../grpc/call.ts'
import type { DataRedis } from '../../redis/data-redis.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { invalidField, refusal } from '../../status-error.ts'
import { checkDeleteAlias, checkPutAlias, type PutAliasInput } from '../validation/alias-requests.ts'
import { sameModel } from '../validation/model.ts'
import { writeDemand } from '../write-demand.ts'
import type { SearchServiceOptions } from './search-service.ts'
import { receiptOf } from './write-handlers.ts'

const { putAlias, deleteAlias } = SearchService.method

/** Answers PutAlias. */
export function putAliasHandler(
  options: SearchServiceOptions,
): UnaryHandler<PutAliasRequest, PutAliasResponse> {
  const { data, writer, writePath, limits } = options
  return (request, call) => {
    const input = checkPutAlias(request, limits)
    const { choice } = input
    return writePath.run(putAlias, request, call, async (epoch) => {
      const indexes = await indexesOf(data, input)
      const demand = writeDemand({ schema: putAlias.input, request, choice, call }, epoch)
      const outcome = await writer.putAlias(input, indexes, demand)
      return create(PutAliasResponseSchema, { receipt: receiptOf(outcome) })
    })
  }
}

/** Answers DeleteAlias. */
export function deleteAliasHandler(
  options: SearchServiceOptions,
): UnaryHandler<DeleteAliasRequest, DeleteAliasResponse> {
  const { writer, writePath, limits } = options
  return (request, call) => {
    const { namespace, name, choice } = checkDeleteAlias(request, limits)
    return writePath.run(deleteAlias, request, call, async (epoch) => {
      const demand = writeDemand({ schema: deleteAlias.input, request, choice, call }, epoch)
      const outcome = await writer.deleteAlias(namespace, name, demand)
      return create(DeleteAliasResponseSchema, { receipt: receiptOf(outcome) })
    })
  }
}

/** The indexes that an alias is to point at. They are held against these again in the step that points it. */
async function indexesOf(data: DataRedis, input: PutAliasInput): Promise<readonly IndexDefinition[]> {
  const { namespace, indexes: names } = input
  const all = await data.listIndexes(namespace, { primary: true })
  const indexes = names.map((name, i) => {
    const index = all.indexes.find((candidate) => candidate.name === name)
    if (index) return index
    if (all.aliases.some((alias) => alias.name === name)) {
      throw invalidField(`alias.indexes[${i}]`, `is the alias ${name}; name indexes`)
    }
    const text = `There is no index ${name} in namespace ${namespace}. Create it first, or mend the name.`
    throw refusal('INDEX_NOT_FOUND', text, { metadata: { namespace, index: name } })
  })
  for (const [i, { name, model }] of indexes.entries()) {
    const same = indexes.slice(0, i).find((other) => sameModel(other.model, model))
    if (!same) continue
    throw invalidField(
      `alias.indexes[${i}]`,
      `names ${name}, which is of the same model as ${same.name}: a request goes to the one index of its model`,
    )
  }
  return indexes
}
