/**
 * Reads and writes the hot messages of the Multiplex stream: its frames, Get and Set. It costs a tenth of what protobuf-es
 * takes for them; every other message stays with protobuf-es.
 *
 * Invariant: both agree, byte for byte in meaning (multiplex-codec.spec.ts holds them against each other). What a reader here
 * isn't sure of, such as a field that came twice, it leaves to protobuf-es by saying `undefined` or `odd`.
 *
 * Readers give views of the frame: copy what is kept for long, since each pins the whole frame.
 */

/** Numbers of `Call`'s requests. */
export const CALL_FIELD = {
  ...{ get: 5, getMany: 6, set: 7, setMany: 8, delete: 9, search: 10, getChunks: 11, lookup: 12 },
} as const

/** Numbers of `Reply`'s results. */
export const REPLY_FIELD = {
  ...{ error: 2, get: 3, getMany: 4, set: 5, setMany: 6, delete: 7, search: 8, getChunks: 9, lookup: 10 },
} as const

/** Bytes that are no frame. */
export class MalformedFrame extends Error {
  override name = 'MalformedFrame'
}

/** What a client says of a call beside its request. */
export interface CallHead {
  /** Unique among the stream's calls in flight; 32 bits. */
  readonly id: number
  /** 0: the sidecar's default. */
  readonly timeoutMs: number
  /** Place in the frame's session tokens, from 1; 0: none. */
  readonly session: number
}

/** A call as a request frame holds it. */
export interface FrameCall extends CallHead {
  /** W3C trace context; empty: none. */
  readonly traceparent: string
  /** One of {@link CALL_FIELD}; 0: none. */
  readonly field: number
  /** The request, a view; empty when there is none. */
  readonly request: Buffer
  /** It has fields not of the contract, or one twice: read `bytes` with protobuf-es. */
  readonly odd: boolean
  /** All of the call, a view. */
  readonly bytes: Buffer
}

/** What a request frame holds. */
export interface RequestFrame {
  readonly calls: readonly FrameCall[]
  readonly cancels: readonly number[]
  readonly sessionTokens: readonly Buffer[]
  /** It has fields not of the contract. */
  readonly odd: boolean
}

/** A reply as a response frame holds it. */
export interface FrameReply {
  readonly id: number
  /** One of {@link REPLY_FIELD}; 0: none, or none that this version knows. */
  readonly field: number
  /** The result, a view. */
  readonly bytes: Buffer
}

/** What a response frame holds. */
export interface ResponseFrame {
  readonly replies: readonly FrameReply[]
  readonly draining: boolean
}

/** An entry as an answer carries it. */
export interface EntryFields {
  readonly key: string
  readonly value: Uint8Array
  readonly contentType: string
  readonly version: string
  /** Unix milliseconds; told to whole microseconds. */
  readonly writtenAtMs: number
  /** Likewise; absent: never. */
  readonly expiresAtMs?: number | undefined
}

const NO_BYTES: Buffer = Buffer.alloc(0)
const SLAB_BYTES = 256 * 1024
/** A length up to 4 GiB takes so many bytes at most. */
const LENGTH_BYTES_MAX = 5
const UINT32 = 2 ** 32
/** Larger ones gain nothing. */
const VALUE_BYTES_MAX = 64 * 1024
const SECONDS_MAX = 2n ** 40n

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

/** One frame after another, cut from larger pieces of memory; a frame that was taken is its taker's until given back. */
class FrameWriter {
  protected buffer: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  protected at = 0
  #start = 0
  /** How many frames of this memory are out. */
  #out = 0
  /** Full memory of which frames are out; frames that are never given back keep nothing here. */
  readonly #full = new WeakMap<ArrayBufferLike, { readonly buffer: Buffer; out: number }>()
  #free: Buffer | undefined

  /** Bytes of the frame begun. */
  get byteLength(): number {
    return this.at - this.#start
  }

  /** The frame; the next one is begun. */
  take(): Buffer {
    const frame = this.buffer.subarray(this.#start, this.at)
    this.#start = this.at
    this.#out += 1
    return frame
  }

  /** Nobody needs a frame any more that was taken: its memory may be used again. What is never given back is left to its taker. */
  giveBack(frame: Buffer): void {
    if (frame.buffer === this.buffer.buffer) {
      this.#out -= 1
      if (this.#out > 0 || this.byteLength > 0) return
      this.#start = 0
      this.at = 0
      return
    }
    const full = this.#full.get(frame.buffer)
    if (!full || --full.out > 0) return
    this.#full.delete(frame.buffer)
    if (full.buffer.length === SLAB_BYTES) this.#free = full.buffer
  }

  /** Makes room for so many further bytes. */
  protected room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const begun = this.buffer.subarray(this.#start, this.at)
    if (this.#out > 0) this.#full.set(this.buffer.buffer, { buffer: this.buffer, out: this.#out })
    this.buffer = this.#memory(begun.length + bytes)
    this.at = begun.copy(this.buffer)
    this.#start = 0
    this.#out = 0
  }

  #memory(bytes: number): Buffer {
    const free = this.#free
    if (!free || bytes > SLAB_BYTES / 2) return Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * bytes))
    this.#free = undefined
    return free
  }

  protected varint(value: number): void {
    let rest = value
    while (rest > 0x7f) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80
      rest = rest < UINT32 ? rest >>> 7 : Math.floor(rest / 128)
    }
    this.buffer[this.at++] = rest
  }

  /** A number unless it is zero, which is the default. */
  protected number(tag: number, value: number): void {
    if (value === 0) return
    this.buffer[this.at++] = tag
    this.varint(value)
  }

  protected bytes(tag: number, value: Uint8Array): void {
    this.buffer[this.at++] = tag
    this.varint(value.length)
    this.buffer.set(value, this.at)
    this.at += value.length
  }

  /** A text of so many bytes, unless it is empty. */
  protected text(tag: number, value: string, length: number): void {
    if (length === 0) return
    this.buffer[this.at++] = tag
    this.varint(length)
    // ASCII is by far the quicker way to write it, and what keys mostly are.
    if (length === value.length) this.buffer.write(value, this.at, length, 'latin1')
    else this.buffer.write(value, this.at, length, 'utf8')
    this.at += length
  }
}

/** Builds MultiplexRequest frames, one after another. */
export class RequestFrameWriter extends FrameWriter {
  #calls = 0
  #cancels: number[] = []
  #tokens: Uint8Array[] = []

  /** Calls and cancels in the frame begun. */
  get calls(): number {
    return this.#calls + this.#cancels.length
  }

  /** The place of a session's token in the frame begun, from 1: the same for the same bytes in a row. */
  session(token: Uint8Array): number {
    const last = this.#tokens.at(-1)
    if (last !== token && !(last && sameBytes(last, token))) this.#tokens.push(token)
    return this.#tokens.length
  }

  /**
   * Adds a Get.
   *
   * @param request texts are well-formed; `options` is an encoded ReadOptions without its session token.
   */
  get(
    head: CallHead,
    { namespace, key, options }: { namespace: string; key: string; options?: Uint8Array | undefined },
  ): void {
    const namespaceBytes = Buffer.byteLength(namespace)
    const keyBytes = Buffer.byteLength(key)
    const length =
      textSize(namespaceBytes) + textSize(keyBytes) + (options === undefined ? 0 : bytesSize(options.length))
    this.#begin(head, CALL_FIELD.get, length)
    this.text(0x0a, namespace, namespaceBytes)
    this.text(0x12, key, keyBytes)
    if (options !== undefined) this.bytes(0x1a, options)
  }

  /** Adds any other call. @param request as protobuf-es encodes it. */
  call(head: CallHead, field: number, request: Uint8Array): void {
    this.#begin(head, field, request.length)
    this.buffer.set(request, this.at)
    this.at += request.length
  }

  /** Gives a call up. */
  cancel(id: number): void {
    this.#cancels.push(id)
  }

  override take(): Buffer {
    for (const id of this.#cancels) {
      this.room(1 + LENGTH_BYTES_MAX)
      this.buffer[this.at++] = 0x10
      this.varint(id)
    }
    for (const token of this.#tokens) {
      this.room(bytesSize(token.length))
      this.bytes(0x1a, token)
    }
    this.#calls = 0
    if (this.#cancels.length > 0) this.#cancels = []
    if (this.#tokens.length > 0) this.#tokens = []
    return super.take()
  }

  /** Writes all of a call but its request's content. */
  #begin({ id, timeoutMs, session }: CallHead, field: number, length: number): void {
    const head = numberSize(id) + numberSize(timeoutMs) + numberSize(session)
    const call = head + bytesSize(length)
    this.room(bytesSize(call))
    this.buffer[this.at++] = 0x0a
    this.varint(call)
    this.number(0x08, id)
    this.number(0x10, timeoutMs)
    this.number(0x18, session)
    this.buffer[this.at++] = (field << 3) | BYTES
    this.varint(length)
    this.#calls += 1
  }
}

/** A SetRequest as its sender has it. */
export interface SetFields {
  readonly namespace: string
  readonly key: string
  readonly value: Uint8Array
  readonly contentType: string
  readonly ttl?: { readonly seconds: bigint; readonly nanos: number } | undefined
  readonly precondition?: object | undefined
  readonly options?: { readonly durability: number; readonly requestId: string } | undefined
}

/** Encodes SetRequests. */
export class SetRequestWriter extends FrameWriter {
  /** Encodes one, but for its session token; `undefined`: protobuf-es is to. The memory is its taker's for good. */
  write({ namespace, key, value, contentType, ttl, precondition, options }: SetFields): Buffer | undefined {
    const texts = [namespace, key, contentType, options?.requestId ?? '']
    if (precondition || !(value instanceof Uint8Array) || value.length > VALUE_BYTES_MAX) return undefined
    if (!texts.every(isAscii) || (ttl && !isPlainDuration(ttl))) return undefined
    const seconds = Number(ttl?.seconds ?? 0n)
    const nanos = ttl?.nanos ?? 0
    const durability = options?.durability ?? 0
    const ttlSize = numberSize(seconds) + numberSize(nanos)
    const optionsSize = numberSize(durability) + textSize(options?.requestId.length ?? 0)
    this.room(
      textSize(namespace.length) +
        textSize(key.length) +
        bytesSize(value.length) +
        textSize(contentType.length) +
        bytesSize(ttlSize) +
        bytesSize(optionsSize),
    )
    this.text(0x0a, namespace, namespace.length)
    this.text(0x12, key, key.length)
    if (value.length > 0) this.bytes(0x1a, value)
    this.text(0x22, contentType, contentType.length)
    if (ttl) {
      this.buffer[this.at++] = 0x2a
      this.varint(ttlSize)
      this.number(0x08, seconds)
      this.number(0x10, nanos)
    }
    if (options) {
      this.buffer[this.at++] = 0x3a
      this.varint(optionsSize)
      this.number(0x08, durability)
      this.text(0x1a, options.requestId, options.requestId.length)
    }
    return this.take()
  }
}

/** Builds MultiplexResponse frames, one after another. */
export class ResponseFrameWriter extends FrameWriter {
  #replies = 0

  /** Replies in the frame begun. */
  get replies(): number {
    return this.#replies
  }

  /** A GetResponse. @param entry `undefined`: a miss. @param receipt encoded. */
  entry(id: number, entry: EntryFields | undefined, receipt: Uint8Array): void {
    const receiptSize = bytesSize(receipt.length)
    if (!entry) {
      this.#begin(id, REPLY_FIELD.get, receiptSize)
      this.bytes(0x12, receipt)
      return
    }
    const { key, value, contentType, version, writtenAtMs, expiresAtMs } = entry
    const keyBytes = Buffer.byteLength(key)
    const typeBytes = Buffer.byteLength(contentType)
    const written = timestampSize(writtenAtMs)
    const expires = expiresAtMs === undefined ? 0 : timestampSize(expiresAtMs)
    const size =
      textSize(keyBytes) +
      (value.length === 0 ? 0 : bytesSize(value.length)) +
      textSize(typeBytes) +
      textSize(version.length) +
      bytesSize(written) +
      (expiresAtMs === undefined ? 0 : bytesSize(expires))
    this.#begin(id, REPLY_FIELD.get, bytesSize(size) + receiptSize)
    this.buffer[this.at++] = 0x0a
    this.varint(size)
    this.text(0x0a, key, keyBytes)
    if (value.length > 0) this.bytes(0x12, value)
    this.text(0x1a, contentType, typeBytes)
    this.text(0x22, version, version.length)
    this.#timestamp(0x2a, writtenAtMs, written)
    if (expiresAtMs !== undefined) this.#timestamp(0x32, expiresAtMs, expires)
    this.bytes(0x12, receipt)
  }

  /** A SetResponse. @param version ASCII. @param receipt encoded. */
  set(id: number, version: string, receipt: Uint8Array): void {
    this.#begin(id, REPLY_FIELD.set, textSize(version.length) + bytesSize(receipt.length))
    this.text(0x0a, version, version.length)
    this.bytes(0x12, receipt)
  }

  /** Any other result, an error among them. @param result as protobuf-es encodes it. */
  message(id: number, field: number, result: Uint8Array): void {
    this.#begin(id, field, result.length)
    this.buffer.set(result, this.at)
    this.at += result.length
  }

  /** The sidecar is going away. */
  draining(): void {
    this.room(2)
    this.number(0x10, 1)
  }

  override take(): Buffer {
    this.#replies = 0
    return super.take()
  }

  #begin(id: number, field: number, length: number): void {
    const reply = numberSize(id) + bytesSize(length)
    this.room(bytesSize(reply))
    this.buffer[this.at++] = 0x0a
    this.varint(reply)
    this.number(0x08, id)
    this.buffer[this.at++] = (field << 3) | BYTES
    this.varint(length)
    this.#replies += 1
  }

  #timestamp(tag: number, unixMs: number, size: number): void {
    const micros = Math.round(unixMs * 1000)
    const seconds = Math.floor(micros / 1e6)
    this.buffer[this.at++] = tag
    this.varint(size)
    this.number(0x08, seconds)
    this.number(0x10, (micros - seconds * 1e6) * 1000)
  }
}

/** Reads what a client sent. @throws MalformedFrame */
export function readRequestFrame(frame: Buffer): RequestFrame {
  const cursor = new Cursor(frame)
  const calls: FrameCall[] = []
  const cancels: number[] = []
  const sessionTokens: Buffer[] = []
  let odd = false
  while (!cursor.ended) {
    switch (cursor.tag()) {
      case 0x0a:
        calls.push(readCall(cursor.bytes()))
        break
      case 0x10:
        cancels.push(cursor.uint32())
        break
      case 0x12: {
        const packed = new Cursor(cursor.bytes())
        while (!packed.ended) cancels.push(packed.uint32())
        break
      }
      case 0x1a:
        sessionTokens.push(cursor.bytes())
        break
      default:
        cursor.skip()
        odd = true
    }
  }
  return { calls, cancels, sessionTokens, odd }
}

function readCall(bytes: Buffer): FrameCall {
  const cursor = new Cursor(bytes)
  let [id, timeoutMs, session, field] = [0, 0, 0, 0]
  let traceparent = ''
  let request = NO_BYTES
  let odd = false
  while (!cursor.ended) {
    const tag = cursor.tag()
    if (tag === 0x08) id = cursor.uint32()
    else if (tag === 0x10) timeoutMs = cursor.uint32()
    else if (tag === 0x18) session = cursor.uint32()
    else if (tag === 0x22) {
      const text = textOf(cursor.bytes())
      odd ||= text === undefined
      traceparent = text ?? ''
    } else if ((tag & 7) === BYTES && tag >>> 3 >= CALL_FIELD.get && tag >>> 3 <= CALL_FIELD.lookup) {
      odd ||= field !== 0
      field = tag >>> 3
      request = cursor.bytes()
    } else {
      cursor.skip()
      odd = true
    }
  }
  return { id, timeoutMs, session, traceparent, field, request, odd, bytes }
}

/** Reads a GetRequest; `undefined`: protobuf-es is to. */
export function readGetRequest(
  bytes: Buffer,
): { namespace: string; key: string; options: Buffer | undefined } | undefined {
  const fields = new Array<Buffer | undefined>(4)
  if (!readFields(bytes, fields)) return undefined
  const namespace = textOf(fields[1])
  const key = textOf(fields[2])
  if (namespace === undefined || key === undefined) return undefined
  return { namespace, key, options: fields[3] }
}

/** Reads a SetRequest; `undefined`: protobuf-es is to. `ttl`, `precondition` and `options` are encoded messages. */
export function readSetRequest(bytes: Buffer):
  | {
      readonly namespace: string
      readonly key: string
      readonly value: Buffer
      readonly contentType: string
      readonly ttl: Buffer | undefined
      readonly precondition: Buffer | undefined
      readonly options: Buffer | undefined
    }
  | undefined {
  const fields = new Array<Buffer | undefined>(8)
  if (!readFields(bytes, fields)) return undefined
  const namespace = textOf(fields[1])
  const key = textOf(fields[2])
  const contentType = textOf(fields[4])
  if (namespace === undefined || key === undefined || contentType === undefined) return undefined
  const [ttl, precondition, options] = [fields[5], fields[6], fields[7]]
  return { namespace, key, value: fields[3] ?? NO_BYTES, contentType, ttl, precondition, options }
}

/** Reads what a sidecar sent. Fields of a newer one are passed over. @throws MalformedFrame */
export function readResponseFrame(frame: Buffer): ResponseFrame {
  const cursor = new Cursor(frame)
  const replies: FrameReply[] = []
  let draining = false
  while (!cursor.ended) {
    const tag = cursor.tag()
    if (tag === 0x0a) replies.push(readReply(cursor.bytes()))
    else if (tag === 0x10) draining = cursor.boolean()
    else cursor.skip()
  }
  return { replies, draining }
}

function readReply(bytes: Buffer): FrameReply {
  const cursor = new Cursor(bytes)
  let [id, field] = [0, 0]
  let result = NO_BYTES
  while (!cursor.ended) {
    const tag = cursor.tag()
    if (tag === 0x08) id = cursor.uint32()
    else if ((tag & 7) === BYTES && tag >>> 3 >= REPLY_FIELD.error && tag >>> 3 <= REPLY_FIELD.lookup) {
      const again = field === tag >>> 3
      field = tag >>> 3
      // Two parts of one message are one message.
      result = again ? Buffer.concat([result, cursor.bytes()]) : cursor.bytes()
    } else cursor.skip()
  }
  return { id, field, bytes: result }
}

/** Reads what a reader of values needs of a GetResponse; `undefined`: protobuf-es is to. */
export function readGetResponse(
  bytes: Buffer,
): { entry: { value: Buffer; contentType: string } | undefined; receipt: Buffer | undefined } | undefined {
  const fields = new Array<Buffer | undefined>(3)
  if (!readFields(bytes, fields, true)) return undefined
  const [, entry, receipt] = fields
  if (!entry) return { entry: undefined, receipt }
  const parts = new Array<Buffer | undefined>(7)
  if (!readFields(entry, parts, true)) return undefined
  const contentType = textOf(parts[3])
  if (contentType === undefined) return undefined
  return { entry: { value: parts[2] ?? NO_BYTES, contentType }, receipt }
}

/**
 * Reads a message of which all fields are length-delimited, by number.
 *
 * @param newer whether others are passed over.
 * @returns false for a field that came twice, or isn't among those wanted.
 * @throws MalformedFrame
 */
function readFields(bytes: Buffer, fields: (Buffer | undefined)[], newer = false): boolean {
  const cursor = new Cursor(bytes)
  while (!cursor.ended) {
    const tag = cursor.tag()
    const number = tag >>> 3
    if ((tag & 7) === BYTES && number < fields.length) {
      if (fields[number] !== undefined) return false
      fields[number] = cursor.bytes()
    } else {
      if (!newer) return false
      cursor.skip()
    }
  }
  return true
}

/** A place in bytes of protobuf's wire format. Every method throws {@link MalformedFrame} past the end. */
class Cursor {
  readonly #bytes: Buffer
  #at = 0
  #tagAt = 0
  #tag = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** A field's number and wire type. */
  tag(): number {
    this.#tagAt = this.#at
    this.#tag = this.uint32()
    if (this.#tag >>> 3 === 0) throw new MalformedFrame(`there is no field 0, as at byte ${this.#tagAt}`)
    return this.#tag
  }

  /** The low 32 bits of a varint, as protobuf reads those that are too large. */
  uint32(): number {
    const bytes = this.#bytes
    let byte = bytes[this.#at++]
    if (byte !== undefined && byte < 0x80) return byte
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (byte === undefined) throw cutShort()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
      byte = bytes[this.#at++]
    }
    throw new MalformedFrame('a number has more than ten bytes')
  }

  /** Whether a varint is anything but zero. */
  boolean(): boolean {
    const from = this.#at
    this.uint32()
    for (let at = from; at < this.#at; at++) if (((this.#bytes[at] as number) & 0x7f) !== 0) return true
    return false
  }

  /** A view of a length-delimited field. */
  bytes(): Buffer {
    const length = this.uint32()
    const from = this.#at
    if (length > this.#bytes.length - from) throw cutShort()
    this.#at = from + length
    return this.#bytes.subarray(from, this.#at)
  }

  /** Passes over the field whose tag was read last. */
  skip(): void {
    switch (this.#tag & 7) {
      case VARINT:
        this.uint32()
        return
      case FIXED64:
        this.#pass(8)
        return
      case BYTES:
        this.bytes()
        return
      case FIXED32:
        this.#pass(4)
        return
      default:
        throw new MalformedFrame(`the field at byte ${this.#tagAt} is a group, or of no wire type`)
    }
  }

  #pass(length: number): void {
    if (length > this.#bytes.length - this.#at) throw cutShort()
    this.#at += length
  }
}

function cutShort(): MalformedFrame {
  return new MalformedFrame('it is cut short')
}

/** `undefined` for what isn't UTF-8, or looks like what stands for that, or begins with what some take for no text. */
function textOf(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return ''
  const text = bytes.toString('utf8')
  return text.includes('\ufffd') || text.startsWith('\ufeff') ? undefined : text
}

function isAscii(text: string): boolean {
  return typeof text === 'string' && Buffer.byteLength(text) === text.length
}

function isPlainDuration({ seconds, nanos }: { seconds: bigint; nanos: number }): boolean {
  return seconds >= 0n && seconds <= SECONDS_MAX && nanos >= 0 && nanos < 1e9
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}

function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  if (value < 0x1000_0000) return 4
  return value < 2 ** 35 ? 5 : 6
}

function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value)
}

function bytesSize(length: number): number {
  return 1 + varintSize(length) + length
}

function textSize(length: number): number {
  return length === 0 ? 0 : bytesSize(length)
}

function timestampSize(unixMs: number): number {
  const micros = Math.round(unixMs * 1000)
  const seconds = Math.floor(micros / 1e6)
  return numberSize(seconds) + numberSize((micros - seconds * 1e6) * 1000)
}
