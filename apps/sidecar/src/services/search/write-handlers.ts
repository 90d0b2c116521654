import { create } from '@bufbuild/protobuf'
import { encodeToken, type SessionToken } from '@perigee/core'
import {
  type CreateIndexRequest,
  type CreateIndexResponse,
  CreateIndexResponseSchema,
  type DeleteChunksRequest,
  type DeleteChunksResponse,
  DeleteChunksResponseSchema,
  type DropIndexRequest,
  type DropIndexResponse,
  DropIndexResponseSchema,
  type Receipt,
  ReceiptSchema,
  SearchService,
  type UpsertChunksRequest,
  type UpsertChunksResponse,
  UpsertChunksResponseSchema,
} from '@perigee/protocol'
import type { UnaryHandler } from '../../grpc/call.ts'
import { invalidField } from '../../status-error.ts'
import { checkDeleteChunks, checkUpsertChunks, chunkInputs } from '../validation/chunk-requests.ts'
import { checkCreateIndex, checkDropIndex } from '../validation/index-requests.ts'
import { indexOfModel } from '../validation/model.ts'
import { inOrder, writeDemand } from '../write-demand.ts'
import { deleteByFilter } from './filter-deletion.ts'
import { indexMessage } from './index-message.ts'
import { atNamed } from './named-write.ts'
import type { SearchServiceOptions } from './search-service.ts'

const { createIndex, dropIndex, upsertChunks, deleteChunks } = SearchService.method

/** Answers CreateIndex. */
export function createIndexHandler(
  options: SearchServiceOptions,
): UnaryHandler<CreateIndexRequest, CreateIndexResponse> {
  const { writer, writePath, limits } = options
  return (request, call) => {
    const { definition: asked, choice } = checkCreateIndex(request, limits)
    return writePath.run(createIndex, request, call, async (epoch) => {
      const demand = writeDemand({ schema: createIndex.input, request, choice, call }, epoch)
      const { definition, outcome } = await writer.createIndex(asked, demand)
      return create(CreateIndexResponseSchema, {
        index: indexMessage(definition),
        receipt: receiptOf(outcome),
      })
    })
  }
}

/** Answers DropIndex. */
export function dropIndexHandler(
  options: SearchServiceOptions,
): UnaryHandler<DropIndexRequest, DropIndexResponse> {
  const { writer, writePath, limits } = options
  return (request, call) => {
    const { namespace, name, choice } = checkDropIndex(request, limits)
    return writePath.run(dropIndex, request, call, async (epoch) => {
      const demand = writeDemand({ schema: dropIndex.input, request, choice, call }, epoch)
      return create(DropIndexResponseSchema, {
        receipt: receiptOf(await writer.dropIndex(namespace, name, demand)),
      })
    })
  }
}

/** Answers UpsertChunks. */
export function upsertChunksHandler(
  options: SearchServiceOptions,
): UnaryHandler<UpsertChunksRequest, UpsertChunksResponse> {
  const { data, writer, writePath, limits, regions, drift } = options
  return (request, call) => {
    const { namespace, index, model, chunks, expectedVersions, choice } = checkUpsertChunks(request, limits)
    return writePath.run(upsertChunks, request, call, async (epoch) => {
      const asked = { schema: upsertChunks.input, request: withMetadataInOrder(request), choice, call }
      const demand = writeDemand(asked, epoch)
      return atNamed(data, { namespace, name: index }, async (found) => {
        const definition = indexOfModel(model, found)
        const rows = chunkInputs(chunks, definition, regions, limits)
        const byAlias = { ...demand, alias: found.alias?.name }
        const outcome = await writer.upsertChunks(definition, rows, byAlias, expectedVersions)
        const vectors = rows.map(({ vector }) => vector)
        return create(UpsertChunksResponseSchema, {
          upserted: outcome.positions.length,
          receipt: { ...receiptOf(outcome), warnings: drift.warnOf(definition, vectors) },
        })
      })
    })
  }
}

/** Answers DeleteChunks. */
export function deleteChunksHandler(
  options: SearchServiceOptions,
): UnaryHandler<DeleteChunksRequest, DeleteChunksResponse> {
  const { data, writer, writePath, limits } = options
  return (request, call) => {
    const { namespace, index, selection, choice } = checkDeleteChunks(request, limits)
    return writePath.run(deleteChunks, request, call, async (epoch) => {
      const demand = writeDemand({ schema: deleteChunks.input, request, choice, call }, epoch)
      return atNamed(data, { namespace, name: index }, async (found) => {
        if (selection.kind === 'filter') {
          const { filter } = selection
          const { deleted, last } = await deleteByFilter(options, { found, filter, call, demand })
          return create(DeleteChunksResponseSchema, { deleted, receipt: receiptOf(last) })
        }
        const { indexes, alias } = found
        const byAlias = { ...demand, alias: alias?.name }
        const { ids, expectedVersions } = selection
        const [index, ...more] = indexes
        if (expectedVersions.length > 0 && more.length > 0) throw versionsOfSeveral(alias?.name ?? '')
        const outcome =
          index && expectedVersions.length > 0
            ? await writer.deleteChunks(index, ids, byAlias, expectedVersions)
            : await writer.deleteFromAll(indexes, ids, byAlias)
        return create(DeleteChunksResponseSchema, { deleted: outcome.found, receipt: receiptOf(outcome) })
      })
    })
  }
}

function versionsOfSeveral(alias: string) {
  return invalidField(
    'ids.expected_versions',
    `can't be given with alias ${alias}: it has several indexes, and a version is of a chunk in one of them`,
  )
}

function withMetadataInOrder(request: UpsertChunksRequest): UpsertChunksRequest {
  const chunks = request.chunks.map((chunk) =>
    chunk.metadata ? { ...chunk, metadata: inOrder(chunk.metadata) } : chunk,
  )
  return { ...request, chunks }
}

/** The receipt of a write; the write path adds the rest. */
export function receiptOf(token: SessionToken): Receipt {
  return create(ReceiptSchema, { sessionToken: encodeToken(token) })
}
