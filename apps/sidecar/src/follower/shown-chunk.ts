import { create, fromBinary, type JsonObject, type UnknownField } from '@bufbuild/protobuf'
import { sizeDelimitedEncode, sizeDelimitedPeek, WireType } from '@bufbuild/protobuf/wire'
import { formatPosition, type Position } from '@perigee/core'
import { type Chunk, ChunkSchema, HitSchema, SearchResponseSchema } from '@perigee/protocol'
import { timestampOf } from '../wire-time.ts'

/** What of a chunk every answer shows that shows more than its id and version. */
export interface Shown {
  readonly id: string
  readonly text: string
  /** A JSON object. */
  readonly metadata: string
  readonly regionTags: readonly string[]
  readonly position: Position
  readonly writtenAtMs: number
  readonly expiresAtMs?: number
}

/** A chunk as an answer shows it, but for its vector. */
export function shownChunk(chunk: Shown): Chunk {
  return create(ChunkSchema, {
    id: chunk.id,
    version: formatPosition(chunk.position),
    text: chunk.text,
    metadata: JSON.parse(chunk.metadata) as JsonObject,
    regionTags: [...chunk.regionTags],
    writtenAt: timestampOf(chunk.writtenAtMs),
    ...(chunk.expiresAtMs !== undefined && { expiresAt: timestampOf(chunk.expiresAtMs) }),
  })
}

/**
 * The same as bytes, their length first. Each copy has them, so that a search hands on what was encoded once, when the chunk
 * was indexed. `undefined` for a chunk that isn't as chunks are: it is found all the same, and shown as far as it can be read.
 */
export function shownBytes(chunk: Shown): Buffer | undefined {
  try {
    const bytes = sizeDelimitedEncode(ChunkSchema, shownChunk(chunk))
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  } catch {
    return undefined
  }
}

/** The chunk that {@link shownBytes} was given. @throws Error for anything else. */
export function shownFrom(bytes: Buffer): Chunk {
  const { eof, offset } = sizeDelimitedPeek(bytes)
  if (eof) throw new Error('a shown chunk without its length')
  return fromBinary(ChunkSchema, bytes.subarray(offset))
}

/**
 * Hits of such chunks as a field of an answer that is encoded already: for its unknown fields, which are written as they are.
 * After the first hit its tag stands before each.
 */
export function hitsField(
  hits: readonly { readonly shown: Buffer; readonly distance: number }[],
): UnknownField[] {
  if (hits.length === 0) return []
  const sizes = hits.map(({ shown }) => 1 + shown.length + 1 + DOUBLE_BYTES)
  const data = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + 1 + VARINT_BYTES_MAX + size, 0))
  let at = 0
  for (const [i, { shown, distance }] of hits.entries()) {
    if (i > 0) data[at++] = HITS_TAG
    at = writeVarint(data, at, sizes[i] as number)
    data[at++] = CHUNK_TAG
    at += shown.copy(data, at)
    data[at++] = DISTANCE_TAG
    at = data.writeDoubleLE(distance, at)
  }
  return [{ no: HITS.number, wireType: WireType.LengthDelimited, data: data.subarray(0, at) }]
}

const HITS = SearchResponseSchema.field.hits
const HITS_TAG = tagOf(HITS.number, WireType.LengthDelimited)
const CHUNK_TAG = tagOf(HitSchema.field.chunk.number, WireType.LengthDelimited)
const DISTANCE_TAG = tagOf(HitSchema.field.distance.number, WireType.Bit64)
const DOUBLE_BYTES = 8
/** Of a length below 2³². */
const VARINT_BYTES_MAX = 5

/** A tag of one byte. */
function tagOf(field: number, type: WireType): number {
  return (field << 3) | type
}

/** @returns where it ends. */
function writeVarint(bytes: Buffer, from: number, value: number): number {
  let at = from
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80
  bytes[at++] = rest
  return at
}
