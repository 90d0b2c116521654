import type { Argument } from './connection.ts'

const BYTES_FIRST = 1024

/** Commands as a Redis is sent them, one after the other in one memory: so that they can be written before it is their turn. */
export class CommandBytes {
  #memory = Buffer.allocUnsafe(BYTES_FIRST)
  #length = 0
  #count = 0

  /** How many commands. */
  get count(): number {
    return this.#count
  }

  /** All of them, as a view that the next command or {@link clear} makes invalid. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length)
  }

  /** Bytes of its memory. */
  get capacity(): number {
    return this.#memory.length
  }

  /** Adds a command. */
  add(...args: readonly Argument[]): this {
    this.#count += 1
    let text = `*${args.length}\r\n`
    for (const argument of args) {
      if (typeof argument === 'object') {
        this.#write(`${text}$${argument.length}\r\n`)
        this.#room(argument.length)
        this.#memory.set(argument, this.#length)
        this.#length += argument.length
        text = '\r\n'
      } else {
        const own = typeof argument === 'string' ? argument : String(argument)
        text += `$${Buffer.byteLength(own)}\r\n${own}\r\n`
      }
    }
    this.#write(text)
    return this
  }

  /** Has none any more; its memory stays. */
  clear(): void {
    this.#length = 0
    this.#count = 0
  }

  #write(text: string): void {
    // A unit of UTF-16 takes three bytes at most.
    this.#room(3 * text.length)
    this.#length += this.#memory.write(text, this.#length)
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#memory.length) return
    const memory = Buffer.allocUnsafe(2 * (this.#length + bytes))
    this.#memory.copy(memory, 0, 0, this.#length)
    this.#memory = memory
  }
}
