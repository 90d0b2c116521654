import { create, fromBinary, type JsonObject } from '@bufbuild/protobuf'
import { sizeDelimitedEncode, sizeDelimitedPeek, WireType } from '@bufbuild/protobuf/wire'
import { formatPosition, type Position } from '@perigee/core'
import {
  type Chunk,
  ChunkSchema,
  HitSchema,
  SearchResponseSchema,
  varintSize,
  writeLength,
} from '@perigee/protocol'
import { dataOf, type EncodedField } from '../grpc/answer-bytes.ts'
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

/** A hit whose chunk is encoded already. */
interface EncodedHit {
  readonly shown: Buffer
  readonly distance: number
}

/** Hits of such chunks, one at least, as a field of an answer that is encoded already: for its unknown fields, which are written as they are. */
export class HitsField implements EncodedField {
  readonly no = HITS.number
  readonly wireType = WireType.LengthDelimited
  readonly length: number
  readonly #hits: readonly EncodedHit[]
  readonly #release: () => void

  /** @param release called when the hits' memory isn't needed any more. */
  constructor(hits: readonly EncodedHit[], release: () => void) {
    this.#hits = hits
    this.#release = release
    let length = 0
    for (const { shown } of hits) {
      const size = hitSize(shown)
      length += 1 + varintSize(size) + size
    }
    this.length = length
  }

  get data(): Uint8Array {
    return dataOf(this)
  }

  write(to: Buffer, from: number): number {
    let at = from
    for (const { shown, distance } of this.#hits) {
      to[at++] = HITS_TAG
      at = writeLength(to, at, hitSize(shown))
      to[at++] = CHUNK_TAG
      at += shown.copy(to, at)
      to[at++] = DISTANCE_TAG
      at = to.writeDoubleLE(distance, at)
    }
    return at
  }

  release(): void {
    this.#release()
  }
}

const HITS = SearchResponseSchema.field.hits
const HITS_TAG = tagOf(HITS.number, WireType.LengthDelimited)
const CHUNK_TAG = tagOf(HitSchema.field.chunk.number, WireType.LengthDelimited)
const DISTANCE_TAG = tagOf(HitSchema.field.distance.number, WireType.Bit64)
const DOUBLE_BYTES = 8

/** A tag of one byte. */
function tagOf(field: number, type: WireType): number {
  return (field << 3) | type
}

function hitSize(shown: Buffer): number {
  return 1 + shown.length + 1 + DOUBLE_BYTES
}
