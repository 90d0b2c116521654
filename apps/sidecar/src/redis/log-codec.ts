import { ORIGIN, parsePosition } from '@perigee/core'
import type { LogBatch, LogOperation, StoredChunk } from './change-log.ts'
import { clockOf, forksOf } from './history.ts'
import type { IndexDefinition } from './index-definition.ts'

/** What `read-log.lua` replies. */
export type LogReply = [
  clock: Buffer | null,
  newest: Buffer,
  forks: Buffer[],
  entries: [Buffer, Buffer, Buffer, Buffer, Buffer][],
  chunks: [Buffer, Buffer, ...Buffer[]][],
  clusterId: Buffer | null,
  added: number,
]

/** Reads the reply of `read-log.lua`. */
export function decodeLogBatch([
  clock,
  newest,
  forks,
  entries,
  chunks,
  clusterId,
  added,
]: LogReply): LogBatch {
  return {
    clock: clockOf(clock),
    newest: positionOf(newest),
    forks: forksOf(forks),
    entries: entries.map(([position, operation, indexUid, chunkId, previous]) => ({
      position: positionOf(position),
      previous: positionOf(previous),
      operation: String(operation) as LogOperation,
      indexUid: String(indexUid),
      chunkId: String(chunkId),
    })),
    chunks: chunks.map(([uid, id, ...fields]) =>
      decodeChunk({ indexUid: String(uid), id: String(id), fields }),
    ),
    clusterId: clusterId ? String(clusterId) : undefined,
    added,
  }
}

/** A chunk from its fields in the order of the prelude's CHUNK_FIELDS; those left out are empty. */
export function decodeChunk(row: {
  indexUid: string
  id: string
  fields: readonly (Buffer | null)[]
}): StoredChunk {
  const [text, vector, metadata, tags, position, written, expires] = row.fields
  const expiresUs = expires?.length ? Number(expires) : undefined
  return {
    indexUid: row.indexUid,
    id: row.id,
    text: text?.toString() ?? '',
    vector: vector ?? Buffer.alloc(0),
    metadata: metadata?.toString() ?? '{}',
    regionTags: tags?.length ? String(tags).split(',') : [],
    position: positionOf(position ?? null),
    writtenAtMs: Number(written) / 1000,
    ...(expiresUs !== undefined && { expiresAtMs: expiresUs / 1000 }),
  }
}

/** Index definitions from namespaces and their hashes, flat, by namespace and name. */
export function decodeIndexes(flat: readonly (Buffer | Buffer[])[]): IndexDefinition[] {
  const indexes: IndexDefinition[] = []
  for (let i = 1; i < flat.length; i += 2) {
    const fields = flat[i] as Buffer[]
    for (let f = 1; f < fields.length; f += 2) indexes.push(JSON.parse(String(fields[f])) as IndexDefinition)
  }
  return indexes.sort((a, b) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name))
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function positionOf(text: Buffer | null) {
  return (text && parsePosition(String(text))) || ORIGIN
}
