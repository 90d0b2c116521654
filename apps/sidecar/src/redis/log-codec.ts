import { ORIGIN, parsePosition } from '@perigee/core'
import type { LogBatch, LogOperation, StoredChunk } from './change-log.ts'
import { clockOf, forksOf } from './history.ts'
import type { AliasDefinition, IndexDefinition } from './index-definition.ts'

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

/** What a namespace's hashes of indexes and aliases hold, for all namespaces. */
export interface Definitions {
  readonly indexes: readonly IndexDefinition[]
  readonly aliases: readonly AliasDefinition[]
}

/** Definitions from namespaces and their hashes, flat, by namespace and name. */
export function decodeDefinitions(flat: readonly (Buffer | Buffer[])[]): Definitions {
  const indexes: IndexDefinition[] = []
  const aliases: AliasDefinition[] = []
  for (let i = 2; i < flat.length; i += 3) {
    const [namespace, indexFields, aliasFields] = flat.slice(i - 2) as [Buffer, Buffer[], Buffer[]]
    for (let f = 1; f < indexFields.length; f += 2)
      indexes.push(JSON.parse(String(indexFields[f])) as IndexDefinition)
    for (let f = 1; f < aliasFields.length; f += 2)
      aliases.push(decodeAlias(String(namespace), String(aliasFields[f - 1]), aliasFields[f] as Buffer))
  }
  return { indexes: indexes.sort(byName), aliases: aliases.sort(byName) }
}

/** An alias from the JSON that the data Redis keeps. */
export function decodeAlias(namespace: string, name: string, json: Buffer): AliasDefinition {
  return { namespace, name, ...(JSON.parse(String(json)) as Pick<AliasDefinition, 'position' | 'indexes'>) }
}

type Named = { readonly namespace: string; readonly name: string }

function byName(a: Named, b: Named): number {
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function positionOf(text: Buffer | null) {
  return (text && parsePosition(String(text))) || ORIGIN
}
