import { create, toBinary } from '@bufbuild/protobuf'
import { WireType } from '@bufbuild/protobuf/wire'
import { formatPosition } from '@perigee/core'
import { type Entry, EntrySchema, GetResponseSchema, varintSize, writeLength } from '@perigee/protocol'
import { dataOf, type EncodedField } from '../grpc/answer-bytes.ts'
import type { StoredEntry } from '../redis/entry-codec.ts'
import { timestampOf } from '../wire-time.ts'

/** A stored entry as answers show it. */
export function entryMessage(entry: StoredEntry): Entry {
  return create(EntrySchema, {
    key: entry.key,
    value: entry.value,
    contentType: entry.contentType,
    version: formatPosition(entry.position),
    writtenAt: timestampOf(entry.writtenAtMs),
    ...(entry.expiresAtMs !== undefined && { expiresAt: timestampOf(entry.expiresAtMs) }),
  })
}

const ENTRY = GetResponseSchema.field.entry
const ENTRY_TAG = (ENTRY.number << 3) | WireType.LengthDelimited
const VALUE_TAG = (EntrySchema.field.value.number << 3) | WireType.LengthDelimited

/**
 * The same as a field of a GetResponse that is encoded already, for its unknown fields. Its value is copied once, into the answer;
 * protobuf-es would copy it for the entry, and for the answer again.
 */
export class EntryField implements EncodedField {
  readonly no = ENTRY.number
  readonly wireType = WireType.LengthDelimited
  readonly length: number
  readonly #others: Uint8Array
  readonly #value: Uint8Array
  readonly #bytes: number

  constructor(entry: StoredEntry) {
    this.#value = entry.value
    this.#others = toBinary(EntrySchema, entryMessage({ ...entry, value: new Uint8Array() }))
    this.#bytes = this.#others.length + 1 + varintSize(this.#value.length) + this.#value.length
    this.length = 1 + varintSize(this.#bytes) + this.#bytes
  }

  get data(): Uint8Array {
    return dataOf(this)
  }

  write(to: Buffer, from: number): number {
    to[from] = ENTRY_TAG
    let at = writeLength(to, from + 1, this.#bytes)
    to.set(this.#others, at)
    at += this.#others.length
    to[at++] = VALUE_TAG
    at = writeLength(to, at, this.#value.length)
    to.set(this.#value, at)
    return at + this.#value.length
  }

  release(): void {}
}
