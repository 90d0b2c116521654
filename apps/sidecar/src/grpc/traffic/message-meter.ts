/** A message's flag and length. */
const HEAD_BYTES = 5
/** No more than this many bytes can come out of one of a compressed message. */
const INFLATION_MAX = 1032

/**
 * Follows the messages in the bytes of one stream, without keeping any: whether one is arriving, since when, and how much
 * memory those that have come may take.
 */
export class MessageMeter {
  /** When the message that is arriving began, by the monotonic clock; `undefined`: none is. */
  since: number | undefined
  /** Bytes of it that have come. */
  partialBytes = 0
  /** What the compressed messages that came to an end in the last chunk, and the arriving one, may unpack to. */
  unpackedBytes = 0
  readonly #bytesMax: number
  #head = 0
  #compressed = false
  #length = 0
  #left = 0

  /** @param bytesMax no message becomes larger than this: it is refused before. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** A chunk came. */
  read(chunk: Buffer): void {
    this.unpackedBytes = this.#compressed && this.since !== undefined ? this.#unpacked() : 0
    for (let at = 0; at < chunk.length; ) {
      if (this.#head < HEAD_BYTES) this.#readHead(chunk[at++] as number)
      else {
        const bytes = Math.min(this.#left, chunk.length - at)
        at += bytes
        this.#left -= bytes
        this.partialBytes += bytes
      }
      if (this.#head === HEAD_BYTES && this.#left === 0) this.#whole()
    }
  }

  #readHead(byte: number): void {
    if (this.#head === 0) {
      this.since = performance.now()
      this.#compressed = byte !== 0
      this.#length = 0
    } else this.#length = this.#length * 256 + byte
    this.#head++
    this.partialBytes++
    if (this.#head < HEAD_BYTES) return
    this.#left = this.#length
    if (this.#compressed) this.unpackedBytes += this.#unpacked()
  }

  #whole(): void {
    this.#head = 0
    this.since = undefined
    this.partialBytes = 0
  }

  #unpacked(): number {
    return this.#head < HEAD_BYTES ? 0 : Math.min(this.#bytesMax, this.#length * INFLATION_MAX)
  }
}
