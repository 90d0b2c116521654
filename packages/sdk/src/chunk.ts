import type { JsonObject, JsonValue, MessageInitShape } from '@bufbuild/protobuf'
import { timestampDate } from '@bufbuild/protobuf/wkt'
import { type ChunkSchema, ChunkView, type Chunk as WireChunk, type Hit as WireHit } from '@perigee/protocol'
import { durationFromMs } from './duration.ts'
import { invalidArgument } from './perigee-error.ts'
import type { Receipt } from './receipt.ts'
import { type Vector, vectorBytes, vectorFromWire, vectorToWire } from './vector.ts'

/** A chunk to be written. */
export interface ChunkInput {
  /** Unique in the index; at most 256 bytes of UTF-8. */
  readonly id: string
  /** At most 1 MiB. */
  readonly text?: string | undefined
  /** With as many dimensions as the index has. */
  readonly vector: Vector
  /** Any JSON object; what the index declares as attributes can be filtered by. */
  readonly metadata?: JsonObject | undefined
  /** In a region-scoped index: the regions whose indexes hold it. Default: all of them. */
  readonly regions?: readonly string[] | undefined
  /** Expiry in milliseconds from now, above zero. Default: the index's. */
  readonly ttlMs?: number | undefined
  /**
   * Write it only while the chunk there has this version; an empty string means: only while there is none. Else it is left
   * out and not counted. Default: whatever there is.
   */
  readonly ifVersion?: string | undefined
}

/** A chunk as it was stored. Which parts are there depends on the view asked for. */
export interface StoredChunk {
  readonly id: string
  readonly text: string
  readonly metadata: JsonObject
  /** In the view `full` alone. */
  readonly vector?: Float32Array | Float64Array | undefined
  /** The regions whose indexes hold it; empty for all of them. */
  readonly regions: readonly string[]
  /** Changes with every write of the chunk: compare for equality only. */
  readonly version: string
  readonly writtenAt: Date | undefined
  /** Absent when it doesn't expire. */
  readonly expiresAt: Date | undefined
}

/** A chunk that a search found. */
export interface Hit extends StoredChunk {
  /** From the vector asked for, by the index's metric: smaller is nearer. */
  readonly distance: number
}

/** Best first, with the receipt of the answer. */
export type Hits = readonly Hit[] & { readonly receipt: Receipt }

/** Parts of chunks to be answered: `id`: id and version; `basic`: all but the vector; `full`: everything. */
export type View = 'id' | 'basic' | 'full'

const VIEWS = { id: ChunkView.ID, basic: ChunkView.BASIC, full: ChunkView.FULL } as const

export function viewToWire(view: View | undefined): ChunkView {
  return view ? VIEWS[view] : ChunkView.UNSPECIFIED
}

export function chunkToWire(
  chunk: ChunkInput,
  arraysAsFloat32: boolean,
): MessageInitShape<typeof ChunkSchema> {
  return {
    id: chunk.id,
    text: chunk.text ?? '',
    vector: vectorToWire(chunk.vector, arraysAsFloat32),
    ...(chunk.metadata && { metadata: chunk.metadata }),
    ...(chunk.regions && { regionTags: [...chunk.regions] }),
    ...(chunk.ttlMs !== undefined && { ttl: durationFromMs(chunk.ttlMs, 'chunks.ttl') }),
  }
}

export function chunkFromWire(wire: WireChunk): StoredChunk {
  return {
    id: wire.id,
    text: wire.text,
    metadata: wire.metadata ?? {},
    vector: vectorFromWire(wire.vector),
    regions: wire.regionTags,
    version: wire.version,
    writtenAt: wire.writtenAt && timestampDate(wire.writtenAt),
    expiresAt: wire.expiresAt && timestampDate(wire.expiresAt),
  }
}

export function hitFromWire(wire: WireHit): Hit {
  if (!wire.chunk) throw new TypeError('the sidecar answered with a hit that has no chunk')
  return { ...chunkFromWire(wire.chunk), distance: wire.distance ?? Number.NaN }
}

/**
 * Bytes of a chunk on the wire, at most.
 *
 * @throws PerigeeError `INVALID_ARGUMENT` without id or vector, and for metadata that is no JSON.
 */
export function chunkBytes(chunk: ChunkInput): number {
  if (typeof chunk?.id !== 'string') throw invalidArgument('a chunk has no id, a string', 'chunks.id')
  if (!chunk.vector) throw invalidArgument(`chunk ${chunk.id} has no vector`, 'chunks.vector')
  const text = chunk.text === undefined ? 0 : Buffer.byteLength(chunk.text)
  const regions = chunk.regions?.reduce((sum, region) => sum + region.length + 4, 0) ?? 0
  const metadata = chunk.metadata === undefined ? 0 : jsonBytes(chunk.metadata, `the metadata of ${chunk.id}`)
  return 64 + chunk.id.length * 3 + text + regions + vectorBytes(chunk.vector) + metadata
}

/** More than a message can hold. */
const DEPTH_MAX = 100

/** Bytes of a JSON value as a `google.protobuf.Value`, at most: lengths take up to 5 bytes at each of 3 levels. */
function jsonBytes(value: JsonValue | undefined, where: string, depth = 0): number {
  if (depth > DEPTH_MAX)
    throw invalidArgument('metadata refers to itself, or is nested too deep', 'chunks.metadata')
  if (typeof value === 'string') return Buffer.byteLength(value) + 18
  if (value === null || typeof value === 'boolean' || Number.isFinite(value)) return 24
  if (Array.isArray(value))
    return value.reduce<number>((sum, member) => sum + jsonBytes(member, where, depth + 1), 24)
  if (typeof value === 'object' && isPlain(value)) {
    return Object.entries(value).reduce((sum, [key, member]) => {
      return sum + key.length * 3 + 18 + jsonBytes(member, `${where}, at ${key},`, depth + 1)
    }, 24)
  }
  // Anything else would be stored as something else in silence: a Date as an empty object.
  throw invalidArgument(`${where} is no JSON value: ${String(value)}`, 'chunks.metadata')
}

function isPlain(value: object): value is JsonObject {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
