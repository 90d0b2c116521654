const SIZE_MIN = 16 * 1024
/** Larger memory isn't kept. */
const KEPT_BYTES_MAX = 256 * 1024
const KEPT_MAX = 32

/**
 * Memory for replies that are needed for longer than their connection keeps them. It is used again once it was given back; what
 * never is, is left to the garbage collector. New memory for each would count as heap, and have all of it looked through
 * several times a second.
 */
export class ReplyMemory {
  readonly #free: Buffer[] = []

  /** A copy of these bytes, at the beginning of memory that may be larger: its taker's until given back. */
  copy(memory: Buffer, from: number, to: number): Buffer {
    const bytes = this.#take(to - from)
    memory.copy(bytes, 0, from, to)
    return bytes
  }

  /** Nobody needs a copy any more. */
  giveBack(bytes: Buffer): void {
    if (bytes.length <= KEPT_BYTES_MAX && this.#free.length < KEPT_MAX) this.#free.push(bytes)
  }

  #take(length: number): Buffer {
    const free = this.#free.pop()
    if (free && free.length >= length) return free
    return Buffer.allocUnsafeSlow(Math.max(SIZE_MIN, 2 ** Math.ceil(Math.log2(length))))
  }
}
