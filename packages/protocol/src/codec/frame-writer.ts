import { optionsSize, type SetFields, ttlSize } from './set-fields.ts'
import { SHORT_TEXT } from './sizes.ts'

const SLAB_BYTES = 256 * 1024
const UINT32 = 2 ** 32

/** One frame after another, cut from larger pieces of memory; a frame that was taken is its taker's until given back. */
export class FrameWriter {
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
      // What one large frame needed isn't kept for all that come.
      if (this.buffer.length > SLAB_BYTES) this.buffer = this.#memory(0)
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
    if (length !== value.length) this.buffer.write(value, this.at, length, 'utf8')
    else if (length > SHORT_TEXT) this.buffer.write(value, this.at, length, 'latin1')
    else for (let i = 0; i < length; i++) this.buffer[this.at + i] = value.charCodeAt(i)
    this.at += length
  }

  /** A SetRequest, which there is room for. */
  protected setRequest({ namespace, key, value, contentType, ttl, options }: SetFields): void {
    this.text(0x0a, namespace, namespace.length)
    this.text(0x12, key, key.length)
    if (value.length > 0) this.bytes(0x1a, value)
    this.text(0x22, contentType, contentType.length)
    if (ttl) {
      this.buffer[this.at++] = 0x2a
      this.varint(ttlSize(ttl))
      this.number(0x08, Number(ttl.seconds))
      this.number(0x10, ttl.nanos)
    }
    if (options) {
      this.buffer[this.at++] = 0x3a
      this.varint(optionsSize(options))
      this.number(0x08, options.durability)
      this.text(0x1a, options.requestId, options.requestId.length)
    }
  }
}
