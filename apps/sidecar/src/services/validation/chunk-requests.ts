import { type Limits, parsePosition } from '@perigee/core'
import {
  type Chunk,
  ChunkView,
  type DeleteChunksRequest,
  type Filter,
  type GetChunksRequest,
  type ListChunksRequest,
  type UpsertChunksRequest,
} from '@perigee/protocol'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { invalidField } from '../../status-error.ts'
import { metadataJson } from './chunk-metadata.ts'
import { ttlMsOf } from './duration.ts'
import { checkFilterSize } from './filter-size.ts'
import { modelOf } from './index-requests.ts'
import { checkCount, checkDistinct, pageSizeOf } from './list.ts'
import { checkBytes, checkChunkId, checkName } from './name.ts'
import { type ReadChoice, readChoiceOf, type WriteChoice, writeChoiceOf } from './options.ts'
import { checkVectorForm, packVector } from './vector.ts'

/** How much of a chunk an answer holds. */
export type View = 'BASIC' | 'FULL' | 'ID'

/** What a checked UpsertChunks asks; its chunks still have to be held against the index, see {@link chunkInputs}. */
export interface UpsertChunksInput {
  readonly namespace: string
  readonly index: string
  readonly model: IndexDefinition['model']
  readonly chunks: readonly Chunk[]
  /** None, or one for each chunk. */
  readonly expectedVersions: readonly string[]
  readonly choice: WriteChoice
}

/** One chunk to write. */
export interface ChunkInput {
  readonly id: string
  readonly text: string
  /** Packed in the index's type. */
  readonly vector: Buffer
  /** A JSON object. */
  readonly metadata: string
  readonly regionTags: readonly string[]
  /** Whole milliseconds; the index's default already applied. */
  readonly ttlMs?: number
}

/** What a checked DeleteChunks asks. */
export interface DeleteChunksInput {
  readonly namespace: string
  readonly index: string
  readonly selection:
    | {
        readonly kind: 'ids'
        readonly ids: readonly string[]
        /** None, or one for each id. */
        readonly expectedVersions: readonly string[]
      }
    | { readonly kind: 'filter'; readonly filter: Filter }
  readonly choice: WriteChoice
}

/** What a checked GetChunks asks. */
export interface GetChunksInput {
  readonly namespace: string
  readonly index: string
  readonly ids: readonly string[]
  readonly view: View
  readonly choice: ReadChoice
}

/** What a checked ListChunks asks. */
export interface ListChunksInput {
  readonly namespace: string
  readonly index: string
  readonly filter?: Filter
  readonly pageSize: number
  /** As received; `readPageToken` reads it. */
  readonly pageToken: string
  readonly view: View
  readonly choice: ReadChoice
}

/** All that can be told without the index. */
export function checkUpsertChunks(request: UpsertChunksRequest, limits: Limits): UpsertChunksInput {
  const { namespace, index, chunks, expectedVersions, options } = request
  checkName('namespace', namespace)
  checkName('index', index)
  const model = modelOf('model', request.model)
  checkCount('chunks', chunks, limits)
  for (const [i, chunk] of chunks.entries()) checkChunk(chunk, `chunks[${i}]`, limits)
  checkDistinct(
    chunks.map((chunk) => chunk.id),
    (i) => `chunks[${i}].id`,
  )
  checkExpectedVersions('expected_versions', expectedVersions, chunks.length)
  return { namespace, index, model, chunks, expectedVersions, choice: writeChoiceOf(options, limits) }
}

/**
 * Holds checked chunks against their index: vectors, declared attributes, region tags.
 *
 * @param regions all regions of the cluster.
 */
export function chunkInputs(
  chunks: readonly Chunk[],
  definition: Omit<IndexDefinition, 'uid'>,
  regions: readonly string[],
  limits: Limits,
): ChunkInput[] {
  return chunks.map((chunk, i) => {
    const path = `chunks[${i}]`
    const vector = checkVectorForm(`${path}.vector`, chunk.vector, limits)
    const ttlMs = ttlMsOf(`${path}.ttl`, chunk.ttl) ?? definition.defaultTtlMs
    return {
      id: chunk.id,
      text: chunk.text,
      vector: packVector(`${path}.vector`, vector, definition),
      metadata: metadataJson(`${path}.metadata`, chunk.metadata, definition.attributes, limits),
      regionTags: regionTags(`${path}.region_tags`, chunk.regionTags, definition, regions),
      ...(ttlMs && { ttlMs }),
    }
  })
}

export function checkDeleteChunks(request: DeleteChunksRequest, limits: Limits): DeleteChunksInput {
  const { namespace, index, selection, options } = request
  checkName('namespace', namespace)
  checkName('index', index)
  const choice = writeChoiceOf(options, limits)
  switch (selection.case) {
    case 'ids': {
      const { values: ids, expectedVersions } = selection.value
      checkIds('ids.values', ids, limits)
      checkExpectedVersions('ids.expected_versions', expectedVersions, ids.length)
      return { namespace, index, selection: { kind: 'ids', ids, expectedVersions }, choice }
    }
    case 'filter':
      checkFilterSize(selection.value, limits)
      return { namespace, index, selection: { kind: 'filter', filter: selection.value }, choice }
    default:
      throw invalidField('selection', 'must be exactly one of ids and filter')
  }
}

/** An id may come twice; its chunk then does, too. */
export function checkGetChunks(request: GetChunksRequest, limits: Limits): GetChunksInput {
  const { namespace, index, ids, view, options } = request
  checkName('namespace', namespace)
  checkName('index', index)
  checkIds('ids', ids, limits)
  return { namespace, index, ids, view: viewOf(view), choice: readChoiceOf(options) }
}

export function checkListChunks(request: ListChunksRequest, limits: Limits): ListChunksInput {
  const { namespace, index, filter, pageSize, pageToken, view, options } = request
  checkName('namespace', namespace)
  checkName('index', index)
  if (filter) checkFilterSize(filter, limits)
  return {
    namespace,
    index,
    ...(filter && { filter }),
    pageSize: pageSizeOf(pageSize, limits),
    pageToken,
    view: viewOf(view),
    choice: readChoiceOf(options),
  }
}

/** BASIC when a request doesn't say. */
export function viewOf(view: ChunkView): View {
  if (view === ChunkView.FULL) return 'FULL'
  return view === ChunkView.ID ? 'ID' : 'BASIC'
}

function checkChunk(chunk: Chunk, path: string, limits: Limits): void {
  checkChunkId(`${path}.id`, chunk.id, limits)
  checkBytes(`${path}.text`, chunk.text, limits.valueBytesMax)
  checkVectorForm(`${path}.vector`, chunk.vector, limits)
  ttlMsOf(`${path}.ttl`, chunk.ttl)
}

function checkExpectedVersions(field: string, versions: readonly string[], count: number): void {
  if (versions.length !== 0 && versions.length !== count) {
    throw invalidField(field, `has ${versions.length} items for ${count} chunks; give none, or one for each`)
  }
  for (const [i, version] of versions.entries()) {
    if (version === '' || version === '*' || parsePosition(version)) continue
    throw invalidField(
      `${field}[${i}]`,
      'must be a version as an answer gave it, empty for none, or * for any',
    )
  }
}

function checkIds(field: string, ids: readonly string[], limits: Limits): void {
  checkCount(field, ids, limits)
  for (const [i, id] of ids.entries()) checkChunkId(`${field}[${i}]`, id, limits)
}

function regionTags(
  field: string,
  tags: readonly string[],
  definition: Pick<IndexDefinition, 'name' | 'regionScoped'>,
  regions: readonly string[],
): string[] {
  if (tags.length > 0 && !definition.regionScoped) {
    throw invalidField(field, `must be empty: index ${definition.name} isn't region-scoped`)
  }
  for (const [i, tag] of tags.entries()) {
    if (!regions.includes(tag)) {
      throw invalidField(`${field}[${i}]`, `names an unknown region; the regions are ${regions.join(', ')}`)
    }
  }
  return [...new Set(tags)]
}
