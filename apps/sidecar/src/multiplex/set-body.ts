import type { SetRequest } from '@perigee/protocol'

const NAMESPACE = 1
const KEY = 2
const CONTENT_TYPE = 4
const OPTIONS = 7
const LENGTH_DELIMITED = 2

/**
 * What a Set asks without its options, as protobuf-es would encode it: a view of the bytes that the client sent, for a hash
 * that costs no encoding.
 *
 * @returns `undefined` when that isn't certain: fields out of order, empty ones, other messages inside.
 */
export function encodedBody(bytes: Buffer, request: SetRequest): Buffer | undefined {
  let at = 0
  let last = 0
  let body = bytes
  while (at < bytes.length) {
    const tag = bytes[at] as number
    const field = tag >>> 3
    if ((tag & 7) !== LENGTH_DELIMITED || field <= last || field > OPTIONS) return undefined
    if (field > CONTENT_TYPE && field < OPTIONS) return undefined
    last = field
    const start = lengthEnd(bytes, at + 1)
    if (start === undefined) return undefined
    const length = lengthAt(bytes, at + 1, start)
    if (length === 0 && field !== OPTIONS) return undefined
    if (!isSame(length, textOf(field, request))) return undefined
    if (field === OPTIONS) body = bytes.subarray(0, at)
    at = start + length
  }
  return at === bytes.length ? body : undefined
}

/** Where a length ends that is written as shortly as can be, in three bytes at most. */
function lengthEnd(bytes: Buffer, at: number): number | undefined {
  for (let i = at; i < at + 3; i++) {
    const byte = bytes[i]
    if (byte === undefined) return undefined
    if (byte < 0x80) return i > at && byte === 0 ? undefined : i + 1
  }
  return undefined
}

function lengthAt(bytes: Buffer, at: number, end: number): number {
  let length = 0
  for (let i = end - 1; i >= at; i--) length = length * 128 + ((bytes[i] as number) & 0x7f)
  return length
}

function textOf(field: number, { namespace, key, contentType }: SetRequest): string | undefined {
  if (field === NAMESPACE) return namespace
  if (field === KEY) return key
  return field === CONTENT_TYPE ? contentType : undefined
}

/** Whether a text was read from so many bytes of UTF-8 just as they were. */
function isSame(length: number, text: string | undefined): boolean {
  return text === undefined || (Buffer.byteLength(text) === length && !text.includes('\ufffd'))
}
