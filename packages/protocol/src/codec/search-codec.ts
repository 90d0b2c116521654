/**
 * Writes searches and reads their answers, the largest of the hot messages, in a third of the time that protobuf-es takes: a vector
 * isn't copied through memory that grows, and an answer's parts become what they stand for without what is between.
 *
 * Invariant: both agree (search-codec.spec.ts holds them against each other). What isn't plain, such as a field that came twice or
 * that this version doesn't know, is left to protobuf-es.
 */
import { fromBinary, type JsonObject, type JsonValue, toBinary } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { ReceiptSchema } from '../gen/perigee/v1/common_pb.ts'
import {
  type Chunk,
  type Hit,
  type SearchRequest,
  SearchRequestSchema,
  type SearchResponse,
} from '../gen/perigee/v1/search_pb.ts'
import { LENGTH_BYTES_MAX } from './sizes.ts'
import { varintSize, writeLength } from './varint.ts'

const VECTOR_TAG = 0x22
const VALUES_TAG = { float32Le: 0x12, float64Le: 0x1a } as const

/** An encoded SearchRequest. */
export function searchRequestBytes(request: SearchRequest): Uint8Array {
  const { vector } = request
  const { case: kind, value } = vector?.values ?? {}
  const packed = (kind === 'float32Le' || kind === 'float64Le') && value instanceof Uint8Array
  if (!packed || vector?.$unknown?.length) return toBinary(SearchRequestSchema, request)
  const others = toBinary(SearchRequestSchema, { ...request, vector: undefined })
  const bytes = Buffer.allocUnsafe(others.length + 2 + 2 * LENGTH_BYTES_MAX + value.length)
  bytes.set(others)
  let at = others.length
  bytes[at++] = VECTOR_TAG
  at = writeLength(bytes, at, 1 + varintSize(value.length) + value.length)
  bytes[at++] = VALUES_TAG[kind]
  at = writeLength(bytes, at, value.length)
  bytes.set(value, at)
  return bytes.subarray(0, at + value.length)
}

/** Reads a SearchResponse as protobuf-es does; nothing of it is a view of `bytes`. `undefined`: protobuf-es is to. */
export function readSearchResponse(bytes: Buffer): SearchResponse | undefined {
  try {
    return responseOf(new Reader(bytes))
  } catch (error) {
    if (error === NOT_PLAIN) return undefined
    throw error
  }
}

/** Thrown for what is left to protobuf-es. */
const NOT_PLAIN = new Error('not as plain as what is read here')

function responseOf(reader: Reader): SearchResponse {
  const response: SearchResponse = { $typeName: 'perigee.v1.SearchResponse', hits: [] }
  const { end } = reader
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === 0x0a) response.hits.push(reader.message(hitOf))
    else if (tag === 0x12 && !response.receipt) response.receipt = fromBinary(ReceiptSchema, reader.copy())
    else throw NOT_PLAIN
  }
  return response
}

function hitOf(reader: Reader): Hit {
  const hit: Hit = { $typeName: 'perigee.v1.Hit' }
  const { end } = reader
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === 0x0a && !hit.chunk) hit.chunk = reader.message(chunkOf)
    else if (tag === 0x11) hit.distance = reader.double()
    else throw NOT_PLAIN
  }
  return hit
}

function chunkOf(reader: Reader): Chunk {
  const chunk: Chunk = { $typeName: 'perigee.v1.Chunk', id: '', text: '', regionTags: [], version: '' }
  const { end } = reader
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === 0x0a) chunk.id = reader.text()
    else if (tag === 0x12) chunk.text = reader.text()
    else if (tag === 0x22 && !chunk.metadata) chunk.metadata = reader.message(structOf)
    else if (tag === 0x2a) chunk.regionTags.push(reader.text())
    else if (tag === 0x3a) chunk.version = reader.text()
    else if (tag === 0x42 && !chunk.writtenAt) chunk.writtenAt = reader.message(timestampOf)
    else if (tag === 0x4a && !chunk.expiresAt) chunk.expiresAt = reader.message(timestampOf)
    else throw NOT_PLAIN
  }
  return chunk
}

function timestampOf(reader: Reader): Timestamp {
  const timestamp: Timestamp = { $typeName: 'google.protobuf.Timestamp', seconds: 0n, nanos: 0 }
  const { end } = reader
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === 0x08) timestamp.seconds = BigInt(reader.number())
    else if (tag === 0x10) timestamp.nanos = reader.number()
    else throw NOT_PLAIN
  }
  return timestamp
}

function structOf(reader: Reader): JsonObject {
  const json: JsonObject = {}
  const { end } = reader
  while (reader.at < end) {
    if (reader.tag() !== 0x0a) throw NOT_PLAIN
    reader.message((entry) => readMember(entry, json))
  }
  return json
}

function readMember(reader: Reader, json: JsonObject): void {
  if (reader.tag() !== 0x0a) throw NOT_PLAIN
  const key = reader.text()
  if (key === '__proto__' || reader.tag() !== 0x12) throw NOT_PLAIN
  const { end } = reader
  json[key] = reader.message(jsonOf)
  if (reader.at !== end) throw NOT_PLAIN
}

function jsonOf(reader: Reader): JsonValue {
  const { end } = reader
  const value = kindOf(reader)
  if (reader.at !== end) throw NOT_PLAIN
  return value
}

function kindOf(reader: Reader): JsonValue {
  switch (reader.tag()) {
    case 0x08:
      if (reader.number() !== 0) throw NOT_PLAIN
      return null
    case 0x11:
      return reader.double()
    case 0x1a:
      return reader.text()
    case 0x20:
      return reader.number() !== 0
    case 0x2a:
      return reader.message(structOf)
    case 0x32:
      return reader.message(listOf)
    default:
      throw NOT_PLAIN
  }
}

function listOf(reader: Reader): JsonValue[] {
  const list: JsonValue[] = []
  const { end } = reader
  while (reader.at < end) {
    if (reader.tag() !== 0x0a) throw NOT_PLAIN
    list.push(reader.message(jsonOf))
  }
  return list
}

/** A place in a message. Every method throws {@link NOT_PLAIN} past the message's end. */
class Reader {
  readonly #bytes: Buffer
  #depth = 0
  at = 0
  /** Of the message that is being read. */
  end: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.end = bytes.length
  }

  /** A field's number and wire type. */
  tag(): number {
    return this.number()
  }

  /** A number below 2⁴². */
  number(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 42; scale *= 128) {
      if (this.at >= this.end) throw NOT_PLAIN
      const byte = this.#bytes[this.at++] as number
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw NOT_PLAIN
  }

  double(): number {
    const from = this.at
    this.#pass(8)
    return this.#bytes.readDoubleLE(from)
  }

  text(): string {
    const from = this.#pass(this.number())
    const text = this.#bytes.toString('utf8', from, this.at)
    // What isn't UTF-8, or looks like what stands for that.
    if (text.includes('\ufffd')) throw NOT_PLAIN
    return text
  }

  /** A message within this one. */
  message<T>(read: (reader: Reader) => T): T {
    const { end } = this
    const from = this.#pass(this.number())
    if (++this.#depth > DEPTH_MAX) throw NOT_PLAIN
    this.end = this.at
    this.at = from
    const message = read(this)
    this.end = end
    this.#depth -= 1
    return message
  }

  /** The bytes of a field. */
  copy(): Uint8Array {
    const from = this.#pass(this.number())
    return new Uint8Array(this.#bytes.subarray(from, this.at))
  }

  /** @returns where what was passed begins. */
  #pass(length: number): number {
    const from = this.at
    if (length > this.end - from) throw NOT_PLAIN
    this.at = from + length
    return from
  }
}

/** Deeper ones are protobuf-es's to refuse. */
const DEPTH_MAX = 90
