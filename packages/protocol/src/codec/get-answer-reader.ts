import { Cursor } from './cursor.ts'

const NO_BYTES: Buffer = Buffer.alloc(0)

/** Reads of GetResponses, one after another, where the value and the receipt are. */
export class GetAnswerReader {
  /** Whether the one that was read last has an entry; its value is from `valueFrom` to `valueTo`. */
  found = false
  valueFrom = 0
  valueTo = 0
  /** Where its encoded receipt is; empty: it has none. */
  receiptFrom = 0
  receiptTo = 0
  readonly #cursor = new Cursor(NO_BYTES)

  /** Reads what is from `from` to `to`. @returns false: protobuf-es is to. @throws MalformedFrame */
  read(memory: Buffer, from: number, to: number): boolean {
    const cursor = this.#cursor
    cursor.enter(from, to, memory)
    this.found = false
    this.valueFrom = this.valueTo = this.receiptFrom = this.receiptTo = to
    let [entryFrom, entryTo] = [to, to]
    let last = 0
    while (!cursor.ended) {
      const tag = cursor.tag()
      // Fields are in order, each once, but for writers that nobody has.
      if (tag <= last) return false
      last = tag
      if (tag === 0x0a) {
        cursor.field()
        this.found = true
        entryFrom = cursor.from
        entryTo = cursor.to
      } else if (tag === 0x12) {
        cursor.field()
        this.receiptFrom = cursor.from
        this.receiptTo = cursor.to
      } else cursor.skip()
    }
    return !this.found || this.#readEntry(entryFrom, entryTo)
  }

  #readEntry(from: number, to: number): boolean {
    const cursor = this.#cursor
    cursor.enter(from, to)
    let last = 0
    while (!cursor.ended) {
      const tag = cursor.tag()
      if (tag <= last) return false
      last = tag
      if (tag === 0x12) {
        cursor.field()
        this.valueFrom = cursor.from
        this.valueTo = cursor.to
      } else cursor.skip()
    }
    return true
  }
}
