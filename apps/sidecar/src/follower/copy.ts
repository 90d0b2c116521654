import { formatPosition, type Position, parsePosition } from '@perigee/core'
import type { StoredChunk } from '../redis/change-log.ts'
import type { CopyChange } from '../redis/copy-writer.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { FIELD } from '../redis/search-commands.ts'
import { shownBytes } from './shown-chunk.ts'
import { encodeTag, TAG_SEPARATOR } from './tag-value.ts'
import { decodeText, encodeText } from './words.ts'

/** A chunk as this region's index holds it. */
export interface Copy {
  readonly id: string
  readonly text: string
  /** Absent when it wasn't asked for. */
  readonly vector?: Buffer
  /** A JSON object. */
  readonly metadata: string
  readonly regionTags: readonly string[]
  readonly position: Position
  readonly writtenAtMs: number
  readonly expiresAtMs?: number
}

/** The fields of a copy but its vector. */
export const BASIC_FIELDS = [
  FIELD.chunkId,
  FIELD.version,
  FIELD.expiresAt,
  FIELD.text,
  FIELD.metadata,
  FIELD.regionTags,
  FIELD.writtenAt,
] as const
/** What tells a copy's version and whether it has expired. */
export const VERSION_FIELDS = [FIELD.chunkId, FIELD.version, FIELD.expiresAt] as const

/** The hash that holds a chunk's copy, as field, value, field, value. Attributes of the wrong type are left out. */
export function copyFields(chunk: StoredChunk, definition: IndexDefinition): (string | Buffer)[] {
  const shown = shownBytes(chunk)
  const fields: (string | Buffer)[] = [
    ...[FIELD.embedding, chunk.vector],
    ...[FIELD.chunkId, encodeText(chunk.id)],
    ...[FIELD.text, encodeText(chunk.text)],
    ...[FIELD.metadata, chunk.metadata],
    ...[FIELD.version, formatPosition(chunk.position)],
    ...[FIELD.writtenAt, String(chunk.writtenAtMs)],
  ]
  if (shown) fields.push(FIELD.shown, shown)
  if (chunk.regionTags.length > 0) fields.push(FIELD.regionTags, tagText(chunk.regionTags))
  if (chunk.expiresAtMs !== undefined) fields.push(FIELD.expiresAt, String(chunk.expiresAtMs))
  if (definition.attributes.length === 0) return fields
  const metadata = objectOf(chunk.metadata)
  for (const { name, type } of definition.attributes) {
    const value = Object.hasOwn(metadata, name) ? attributeText(metadata[name], type) : undefined
    if (value !== undefined) fields.push(name, value)
  }
  return fields
}

/** Metadata is checked when it is written; were it ever wrong, the chunk is still to be found by its vector. */
function objectOf(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json)
    return value !== null && typeof value === 'object' ? { ...value } : {}
  } catch {
    return {}
  }
}

function attributeText(value: unknown, type: 'TAG' | 'NUMERIC' | 'TEXT'): string | undefined {
  if (type === 'NUMERIC') return Number.isFinite(value) ? String(value) : undefined
  if (type === 'TEXT') return typeof value === 'string' ? encodeText(value) : undefined
  const values = Array.isArray(value) ? value : [value]
  return values.length > 0 && values.every((v) => typeof v === 'string') ? tagText(values) : undefined
}

function tagText(values: readonly string[]): string {
  return values.map(encodeTag).join(TAG_SEPARATOR)
}

/** Reads a copy back from its hash's fields; `undefined` when there is none. Fields that weren't read are empty. */
export function copyFrom(fields: Readonly<Record<string, Buffer | null | undefined>>): Copy | undefined {
  const position = parsePosition(String(fields[FIELD.version] ?? ''))
  if (!position) return undefined
  const expiresAt = fields[FIELD.expiresAt]
  const vector = fields[FIELD.embedding]
  const tags = fields[FIELD.regionTags]
  return {
    id: decodeText(String(fields[FIELD.chunkId] ?? '')),
    text: decodeText(String(fields[FIELD.text] ?? '')),
    ...(vector && { vector }),
    metadata: String(fields[FIELD.metadata] ?? '{}'),
    // Region names are short and plain: encoding leaves them as they are.
    regionTags: tags ? String(tags).split(TAG_SEPARATOR) : [],
    position,
    writtenAtMs: Number(fields[FIELD.writtenAt] ?? 0),
    ...(expiresAt && { expiresAtMs: Number(expiresAt) }),
  }
}

/** Whether this region's index is to hold a chunk. */
export function meantFor(region: string, chunk: StoredChunk, definition: IndexDefinition): boolean {
  return !definition.regionScoped || chunk.regionTags.length === 0 || chunk.regionTags.includes(region)
}

/** What makes a region's copy be as its chunk is; a copy without a chunk goes. */
export function copyChange(
  id: string,
  chunk: StoredChunk | undefined,
  definition: IndexDefinition,
  region: string,
): CopyChange {
  const indexUid = definition.uid
  if (!chunk || !meantFor(region, chunk, definition)) return { kind: 'remove', indexUid, id }
  return { kind: 'put', indexUid, id, fields: copyFields(chunk, definition) }
}
