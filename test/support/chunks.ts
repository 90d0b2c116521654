import { createHash } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ChunkSchema, IndexSchema } from '@perigee/protocol'
import { ChunkView, Metric } from '@perigee/protocol'
import type { RawClient } from './clients.ts'
import { vectorBytes } from './vectors.ts'

/** The model all test indexes are pinned to. */
export const MODEL = { id: 'test/model', revision: '1' }
const DIMENSIONS = 8

/** A vector that depends on the text alone. */
export function vectorOf(text: string, dimensions: number = DIMENSIONS): Float32Array {
  const bytes = createHash('sha256').update(text).digest()
  return Float32Array.from({ length: dimensions }, (_, i) => (bytes[i % 32] ?? 0) - 127.5)
}

/** As a request carries it. */
export function vectorMessage(vector: Float32Array) {
  return { values: { case: 'float32Le' as const, value: vectorBytes(vector) } }
}

/** A chunk whose vector depends on its text. */
export function chunk(
  id: string,
  more: Omit<MessageInitShape<typeof ChunkSchema>, '$typeName'> = {},
): MessageInitShape<typeof ChunkSchema> {
  const text = more.text ?? id
  return { id, text, vector: vectorMessage(vectorOf(text)), ...more }
}

/** Makes an index; FLAT under L2 unless told otherwise. */
export async function createIndex(
  client: RawClient,
  namespace: string,
  index: Omit<MessageInitShape<typeof IndexSchema>, '$typeName'> & { name: string },
): Promise<void> {
  const algorithm = { case: 'flat' as const, value: {} }
  const defaults = { dimensions: DIMENSIONS, metric: Metric.L2, algorithm, model: MODEL }
  await client.search.createIndex({ namespace, index: { ...defaults, ...index } })
}

/** Ids and versions of all chunks, as a region's index lists them. */
export async function listVersions(
  client: RawClient,
  namespace: string,
  index: string,
): Promise<{ versions: Map<string, string>; regions: Set<string> }> {
  const versions = new Map<string, string>()
  const regions = new Set<string>()
  let pageToken = ''
  do {
    const request = { namespace, index, pageToken, pageSize: 1_000, view: ChunkView.ID }
    const page = await client.search.listChunks(request)
    for (const { id, version } of page.chunks) versions.set(id, version)
    regions.add(page.receipt?.region ?? '')
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return { versions, regions }
}

/** Ids and versions of those of the chunks that exist, by the data Redis of the client's region. */
export async function getVersions(
  client: RawClient,
  namespace: string,
  index: string,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const versions = new Map<string, string>()
  const left = [...ids]
  while (left.length > 0) {
    const request = { namespace, index, ids: left.splice(0, 1_000), view: ChunkView.ID }
    const { chunks, unreadIds } = await client.search.getChunks(request)
    for (const { id, version } of chunks) versions.set(id, version)
    left.push(...unreadIds)
  }
  return versions
}
