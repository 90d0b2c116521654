import { create, fromBinary, type JsonObject } from '@bufbuild/protobuf'
import { sizeDelimitedEncode, sizeDelimitedPeek, WireType } from '@bufbuild/protobuf/wire'
import { formatPosition, type Position } from '@perigee/core'
import { type Chunk, ChunkSchema, type Hit, HitSchema } from '@perigee/protocol'
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

/** A hit of such a chunk, which is written as it is. */
export function hitOf(shown: Buffer, distance: number): Hit {
  const hit = create(HitSchema, { distance })
  hit.$unknown = [{ no: HitSchema.field.chunk.number, wireType: WireType.LengthDelimited, data: shown }]
  return hit
}
