import { isUtf8 } from 'node:buffer'
import { Cursor, textOf } from './cursor.ts'

/** Reads the GetRequests of one frame after another; of keys it makes nothing. */
export class GetRequestReader {
  /** Of the one that was read last. */
  namespace = ''
  /** Its key is in its frame, well-formed UTF-8 without NUL, from `keyFrom` to `keyTo`. */
  keyFrom = 0
  keyTo = 0
  /** Encoded ReadOptions; `undefined`: none. */
  options: Buffer | undefined
  readonly #cursor: Cursor
  /** Where the text of `namespace` was read. */
  #namespaceFrom = 0
  #namespaceTo = 0

  constructor(frame: Buffer) {
    this.#cursor = new Cursor(frame)
  }

  /** Reads what is from `from` to `to`. @returns false: protobuf-es is to. @throws MalformedFrame */
  read(from: number, to: number): boolean {
    const cursor = this.#cursor
    cursor.enter(from, to)
    this.keyFrom = this.keyTo = to
    this.options = undefined
    let [namespaceFrom, namespaceTo] = [to, to]
    let last = 0
    while (!cursor.ended) {
      const tag = cursor.tag()
      // Fields are in order but for writers that nobody has.
      if (tag <= last || (tag !== 0x0a && tag !== 0x12 && tag !== 0x1a)) return false
      last = tag
      cursor.field()
      if (tag === 0x1a) this.options = cursor.memory.subarray(cursor.from, cursor.to)
      else if (tag === 0x12) {
        this.keyFrom = cursor.from
        this.keyTo = cursor.to
      } else {
        namespaceFrom = cursor.from
        namespaceTo = cursor.to
      }
    }
    return this.#readNamespace(namespaceFrom, namespaceTo) && this.#keyIsPlain()
  }

  /** The same text as before isn't decoded again. */
  #readNamespace(from: number, to: number): boolean {
    const { memory } = this.#cursor
    if (!isSame(memory, this.#namespaceFrom, this.#namespaceTo, from, to)) {
      const text = textOf(memory.subarray(from, to))
      if (text === undefined) return false
      this.namespace = text
      this.#namespaceFrom = from
      this.#namespaceTo = to
    }
    return true
  }

  #keyIsPlain(): boolean {
    const { memory } = this.#cursor
    for (let at = this.keyFrom; at < this.keyTo; at++) {
      const byte = memory[at] as number
      if (byte === 0) return false
      // Some take U+FEFF at the beginning for no text.
      if (byte > 0x7f) return memory[this.keyFrom] !== 0xef && this.#keyIsUtf8()
    }
    return true
  }

  #keyIsUtf8(): boolean {
    const bytes = this.#cursor.memory.subarray(this.keyFrom, this.keyTo)
    return isUtf8(bytes) && !bytes.includes(0)
  }
}

function isSame(memory: Buffer, from: number, to: number, otherFrom: number, otherTo: number): boolean {
  if (to - from !== otherTo - otherFrom) return false
  for (let i = to - from - 1; i >= 0; i--) if (memory[from + i] !== memory[otherFrom + i]) return false
  return true
}
