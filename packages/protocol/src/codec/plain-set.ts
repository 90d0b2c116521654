/**
 * Reads Sets as most clients write them: ASCII texts, fields in order and each once, lengths as short as can be, and no
 * precondition. So its bytes up to the options are those that protobuf-es gives the same request without them.
 */

/** A SetRequest; its texts are ASCII without NUL. */
export interface PlainSet {
  readonly namespace: string
  readonly key: string
  /** A view, as all bytes here. */
  readonly value: Buffer
  readonly contentType: string
  /** An encoded Duration. */
  readonly ttl: Buffer | undefined
  /** A `Durability`. */
  readonly durability: number
  /** Empty: none. */
  readonly requestId: string
  /** All that comes before the options. */
  readonly bodyBytes: number
}

const NO_BYTES: Buffer = Buffer.alloc(0)
const SHORT_MAX = 0x7f

/** What came last: those of one frame mostly have the same, and it is quicker to see that than to make another string. */
const last = { namespace: '', contentType: '' }

/** Reads one; `undefined` for any other SetRequest, and for what is none. */
export function readPlainSet(bytes: Buffer): PlainSet | undefined {
  const place = new Place(bytes)
  let namespace: string | undefined = ''
  let key: string | undefined = ''
  let value = NO_BYTES
  let contentType: string | undefined = ''
  let ttl: Buffer | undefined
  if (place.field(0x0a)) namespace = place.text(last.namespace)
  if (place.field(0x12)) key = place.text('')
  if (place.field(0x1a)) value = bytes.subarray(place.from, place.to)
  if (place.field(0x22)) contentType = place.text(last.contentType)
  if (place.field(0x2a)) ttl = durationIn(bytes, place)
  const bodyBytes = place.at
  const options = { durability: 0, requestId: '' }
  if (place.options(0x3a) && !readOptions(bytes, place, options)) return undefined
  if (!place.plain || place.at !== bytes.length) return undefined
  if (namespace === undefined || key === undefined || contentType === undefined) return undefined
  last.namespace = namespace
  last.contentType = contentType
  const { durability, requestId } = options
  return { namespace, key, value, contentType, ttl, durability, requestId, bodyBytes }
}

/** A place in a message; `plain` says no once anything isn't as it should be. */
class Place {
  readonly #bytes: Buffer
  at = 0
  plain = true
  /** Of the field that was entered last. */
  from = 0
  to = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Goes past a field that isn't empty, if it is the next one. */
  field(tag: number): boolean {
    const there = this.options(tag)
    if (there && this.from === this.to) this.plain = false
    return there
  }

  /** Goes past a field, if it is the next one. */
  options(tag: number): boolean {
    if (this.#bytes[this.at] !== tag) return false
    let length = 0
    let at = this.at + 1
    for (let scale = 1; scale <= 0x4000; scale *= 0x80) {
      const byte = this.#bytes[at++]
      if (byte === undefined) break
      length += (byte & 0x7f) * scale
      if (byte > 0x7f) continue
      // Longer than it needs to be.
      if (byte === 0 && scale > 1) break
      this.from = at
      this.to = at + length
      this.at = this.to
      if (this.to > this.#bytes.length) break
      return true
    }
    this.plain = false
    this.from = this.to = this.at = this.#bytes.length
    return true
  }

  /** The field's ASCII text. @param known made before, in case it is the same. */
  text(known: string): string | undefined {
    const bytes = this.#bytes
    let same = known.length === this.to - this.from
    for (let at = this.from; at < this.to; at++) {
      const byte = bytes[at] as number
      if (byte === 0 || byte > 0x7f) return undefined
      same &&= known.charCodeAt(at - this.from) === byte
    }
    return same ? known : bytes.toString('latin1', this.from, this.to)
  }
}

/** The Duration in a field, if it is as protobuf-es would write it. */
function durationIn(bytes: Buffer, place: Place): Buffer | undefined {
  let at = place.from
  for (const tag of [0x08, 0x10]) {
    if (at >= place.to || bytes[at] !== tag) continue
    const from = ++at
    while (at < place.to && (bytes[at] as number) > 0x7f) at++
    // 31 bits, in as few bytes as can be.
    const end = bytes[at] ?? 0
    if (at >= place.to || end === 0 || at - from > 4 || (at - from === 4 && end > 7)) place.plain = false
    at++
  }
  if (at !== place.to) place.plain = false
  return bytes.subarray(place.from, place.to)
}

/** Reads WriteOptions without a session token. @returns whether they are as protobuf-es would write them. */
function readOptions(
  bytes: Buffer,
  place: Place,
  options: { durability: number; requestId: string },
): boolean {
  let at = place.from
  if (at < place.to && bytes[at] === 0x08) {
    options.durability = bytes[at + 1] ?? 0
    if (options.durability === 0 || options.durability > SHORT_MAX) return false
    at += 2
  }
  if (at < place.to && bytes[at] === 0x1a) {
    const length = bytes[at + 1] ?? 0
    const from = at + 2
    if (length === 0 || length > SHORT_MAX || from + length > place.to) return false
    for (let i = from; i < from + length; i++) {
      const byte = bytes[i] as number
      if (byte === 0 || byte > 0x7f) return false
    }
    options.requestId = bytes.toString('latin1', from, from + length)
    at = from + length
  }
  return at === place.to
}
