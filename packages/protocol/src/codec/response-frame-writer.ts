import { BYTES } from './cursor.ts'
import { REPLY_FIELD } from './fields.ts'
import { FrameWriter } from './frame-writer.ts'
import { copyBytes, type Pieces } from './pieces.ts'
import { bytesSize, digitsOf, numberSize, textSize, timestampSize } from './sizes.ts'

/** An entry as an answer carries it: its content type and its value are where they were found. */
export interface EntryFields {
  /** Holds the content type from `typeFrom` to `valueFrom`, then the value up to `valueTo`. */
  readonly memory: Buffer
  readonly typeFrom: number
  readonly valueFrom: number
  readonly valueTo: number
  /** Of its version, which is told as `epoch-seq`. */
  readonly epoch: number
  readonly seq: number
  /** Unix microseconds. */
  readonly writtenAtUs: number
  /** Likewise; 0: never. */
  readonly expiresAtUs: number
}

/** An encoded message that writes itself. */
export interface EncodedResult {
  /** Its bytes. */
  readonly length: number
  /** @returns where it ends. */
  write(to: Buffer, from: number): number
}

const NO_BYTES: Buffer = Buffer.alloc(0)

/** Builds MultiplexResponse frames, one after another. */
export class ResponseFrameWriter extends FrameWriter {
  #replies = 0
  /** Of the version that was written last. */
  #epoch = -1
  #epochText: Buffer = NO_BYTES

  /** Replies in the frame begun. */
  get replies(): number {
    return this.#replies
  }

  /** A GetResponse. @param entry `undefined`: a miss. @param keys of which its own is the one at `i`. @param receipt encoded. */
  entry(id: number, entry: EntryFields | undefined, keys: Pieces, i: number, receipt: Uint8Array): void {
    const receiptSize = bytesSize(receipt.length)
    if (!entry) {
      this.#begin(id, REPLY_FIELD.get, receiptSize)
      this.bytes(0x12, receipt)
      return
    }
    const { memory, typeFrom, valueFrom, valueTo, epoch, seq, writtenAtUs, expiresAtUs } = entry
    const [keyFrom, keyTo] = [keys.from(i), keys.to(i)]
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      this.#epochText = Buffer.from(`${epoch}-`)
    }
    const version = this.#epochText.length + digitsOf(seq)
    const written = timestampSize(writtenAtUs)
    const expires = expiresAtUs === 0 ? 0 : timestampSize(expiresAtUs)
    const size =
      textSize(keyTo - keyFrom) +
      textSize(valueTo - valueFrom) +
      textSize(valueFrom - typeFrom) +
      textSize(version) +
      bytesSize(written) +
      (expiresAtUs === 0 ? 0 : bytesSize(expires))
    this.#begin(id, REPLY_FIELD.get, bytesSize(size) + receiptSize)
    this.buffer[this.at++] = 0x0a
    this.varint(size)
    this.#piece(0x0a, keys.memory, keyFrom, keyTo)
    this.#piece(0x12, memory, valueFrom, valueTo)
    this.#piece(0x1a, memory, typeFrom, valueFrom)
    this.buffer[this.at++] = 0x22
    this.varint(version)
    this.at = copyBytes(this.#epochText, 0, this.#epochText.length, this.buffer, this.at)
    this.#digits(seq, version - this.#epochText.length)
    this.#timestamp(0x2a, writtenAtUs, written)
    if (expiresAtUs !== 0) this.#timestamp(0x32, expiresAtUs, expires)
    this.bytes(0x12, receipt)
  }

  /** A SetResponse. @param version ASCII. @param receipt encoded. */
  set(id: number, version: string, receipt: Uint8Array): void {
    this.#begin(id, REPLY_FIELD.set, textSize(version.length) + bytesSize(receipt.length))
    this.text(0x0a, version, version.length)
    this.bytes(0x12, receipt)
  }

  /** Any other result, an error among them. @param result as protobuf-es encodes it. */
  message(id: number, field: number, result: Uint8Array | EncodedResult): void {
    this.#begin(id, field, result.length)
    if (result instanceof Uint8Array) {
      this.buffer.set(result, this.at)
      this.at += result.length
    } else this.at = result.write(this.buffer, this.at)
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

  /** A text or bytes, unless there are none. */
  #piece(tag: number, memory: Buffer, from: number, to: number): void {
    if (from === to) return
    this.buffer[this.at++] = tag
    this.varint(to - from)
    this.at = copyBytes(memory, from, to, this.buffer, this.at)
  }

  /** A whole number, of so many digits. */
  #digits(value: number, count: number): void {
    let rest = value
    for (let at = this.at + count - 1; at >= this.at; at--) {
      const tenth = Math.floor(rest / 10)
      this.buffer[at] = 0x30 + (rest - 10 * tenth)
      rest = tenth
    }
    this.at += count
  }

  #timestamp(tag: number, unixUs: number, size: number): void {
    const seconds = Math.floor(unixUs / 1e6)
    this.buffer[this.at++] = tag
    this.varint(size)
    this.number(0x08, seconds)
    this.number(0x10, (unixUs - seconds * 1e6) * 1000)
  }
}
