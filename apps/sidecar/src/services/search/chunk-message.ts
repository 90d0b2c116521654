import { create } from '@bufbuild/protobuf'
import { formatPosition } from '@perigee/core'
import { type Chunk, ChunkSchema, VectorSchema } from '@perigee/protocol'
import { BASIC_FIELDS, type Copy, VERSION_FIELDS } from '../../follower/copy.ts'
import { shownChunk } from '../../follower/shown-chunk.ts'
import type { StoredChunk } from '../../redis/change-log.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { FIELD } from '../../redis/search-commands.ts'
import type { View } from '../validation/chunk-requests.ts'

/** The fields of a copy that an answer of a view is made from. */
export function fieldsOf(view: View): readonly string[] {
  if (view === 'ID') return VERSION_FIELDS
  return view === 'FULL' ? [...BASIC_FIELDS, FIELD.embedding] : BASIC_FIELDS
}

/** A chunk as an answer shows it. */
export function chunkMessage(
  chunk: Copy | StoredChunk,
  view: View,
  type: IndexDefinition['vectorType'],
): Chunk {
  if (view === 'ID') return create(ChunkSchema, { id: chunk.id, version: formatPosition(chunk.position) })
  const message = shownChunk(chunk)
  if (view === 'FULL' && chunk.vector) message.vector = vectorMessage(chunk.vector, type)
  return message
}

function vectorMessage(value: Buffer, type: IndexDefinition['vectorType']) {
  const bytes = new Uint8Array(value)
  return create(VectorSchema, {
    values: type === 'FLOAT64' ? { case: 'float64Le', value: bytes } : { case: 'float32Le', value: bytes },
  })
}

/** Bytes that a chunk takes in an answer, generously. */
export function chunkBytes(chunk: Copy | StoredChunk, view: View): number {
  const id = 100 + Buffer.byteLength(chunk.id)
  if (view === 'ID') return id
  // A Struct spends up to some ten bytes more on each value than its JSON.
  const metadata = 6 * Buffer.byteLength(chunk.metadata)
  const vector = view === 'FULL' ? (chunk.vector?.length ?? 0) : 0
  return id + Buffer.byteLength(chunk.text) + metadata + vector + 20 * chunk.regionTags.length + 60
}

/** Whether a chunk or copy has expired. */
export function hasExpired(
  { expiresAtMs }: { readonly expiresAtMs?: number | undefined },
  nowMs: number,
): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs
}
