/** One word of a command. */
export type Argument = string | Buffer | number

const BYTES_FIRST = 1024
/** A line with the length of what comes after it. */
const LENGTH_LINE_MAX = 16

/** Commands as a Redis is sent them, one after the other in one memory: so that they can be written before it is their turn. */
export class CommandBytes {
  #memory = Buffer.allocUnsafe(BYTES_FIRST)
  #length = 0
  #count = 0

  /** How many commands. */
  get count(): number {
    return this.#count
  }

  /** All of them. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length)
  }

  /** Adds a command. */
  add(...args: readonly Argument[]): this {
    this.#count += 1
    this.#line('*', args.length)
    for (const argument of args) {
      if (typeof argument === 'object') this.#bytes(argument)
      else this.#text(String(argument))
    }
    return this
  }

  #bytes(value: Buffer): void {
    this.#line('$', value.length)
    this.#room(value.length + 2)
    this.#length += value.copy(this.#memory, this.#length)
    this.#end()
  }

  #text(value: string): void {
    const length = Buffer.byteLength(value)
    this.#line('$', length)
    this.#room(length + 2)
    this.#length += this.#memory.write(value, this.#length)
    this.#end()
  }

  #line(kind: string, number: number): void {
    this.#room(LENGTH_LINE_MAX)
    this.#length += this.#memory.write(`${kind}${number}\r\n`, this.#length, 'latin1')
  }

  #end(): void {
    this.#memory[this.#length++] = 0x0d
    this.#memory[this.#length++] = 0x0a
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#memory.length) return
    const memory = Buffer.allocUnsafe(2 * (this.#length + bytes))
    this.#memory.copy(memory, 0, 0, this.#length)
    this.#memory = memory
  }
}
