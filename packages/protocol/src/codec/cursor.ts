/** Bytes that are no frame. */
export class MalformedFrame extends Error {
  override name = 'MalformedFrame'
}

const VARINT = 0
const FIXED64 = 1
/** The wire type of what has a length. */
export const BYTES = 2
const FIXED32 = 5

/** A place in bytes of protobuf's wire format. Every method throws {@link MalformedFrame} past the end. */
export class Cursor {
  memory: Buffer
  /** Where the content of the length-delimited field begins that was read last. */
  from = 0
  /** Where it ends. */
  to = 0
  #at = 0
  #end: number
  #tagAt = 0
  #tag = 0

  constructor(memory: Buffer) {
    this.memory = memory
    this.#end = memory.length
  }

  get ended(): boolean {
    return this.#at >= this.#end
  }

  /** Goes on with what is from `from` to `to`, as though there were nothing else. */
  enter(from: number, to: number, memory = this.memory): void {
    this.memory = memory
    this.#at = from
    this.#end = to
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
    let byte = this.#byte()
    if (byte < 0x80) return byte
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
      byte = this.#byte()
    }
    throw new MalformedFrame('a number has more than ten bytes')
  }

  /** Whether a varint is anything but zero. */
  boolean(): boolean {
    const from = this.#at
    this.uint32()
    for (let at = from; at < this.#at; at++) if (((this.memory[at] as number) & 0x7f) !== 0) return true
    return false
  }

  /** Goes past a length-delimited field, which is from `from` to `to` then. */
  field(): void {
    const length = this.uint32()
    if (length > this.#end - this.#at) throw cutShort()
    this.from = this.#at
    this.to = this.#at + length
    this.#at = this.to
  }

  /** Likewise. @returns a view of it. */
  bytes(): Buffer {
    this.field()
    return this.memory.subarray(this.from, this.to)
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
        this.field()
        return
      case FIXED32:
        this.#pass(4)
        return
      default:
        throw new MalformedFrame(`the field at byte ${this.#tagAt} is a group, or of no wire type`)
    }
  }

  #byte(): number {
    if (this.#at >= this.#end) throw cutShort()
    return this.memory[this.#at++] as number
  }

  #pass(length: number): void {
    if (length > this.#end - this.#at) throw cutShort()
    this.#at += length
  }
}

function cutShort(): MalformedFrame {
  return new MalformedFrame('it is cut short')
}

/** `undefined` for what isn't UTF-8, or looks like what stands for that, or begins with what some take for no text. */
export function textOf(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return ''
  const text = bytes.toString('utf8')
  return text.includes('\ufffd') || text.startsWith('\ufeff') ? undefined : text
}
