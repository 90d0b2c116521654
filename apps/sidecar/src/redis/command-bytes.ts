import { copyBytes, type Pieces } from '@perigee/protocol'
import type { Argument } from './connection.ts'

const BYTES_FIRST = 1024
/** A mark, a length, and the line's end. */
const HEAD_BYTES_MAX = 24

const [CR, LF, STAR, DOLLAR, ZERO] = [0x0d, 0x0a, 0x2a, 0x24, 0x30]

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
    this.begin(args.length)
    for (const argument of args) this.word(argument)
    return this
  }

  /** Adds a command of words that are text, and of others that all begin alike: with `prefix`, and go on as the pieces do. */
  addPrefixed(words: readonly string[], prefix: Buffer, pieces: Pieces): this {
    this.begin(words.length + pieces.length)
    for (const word of words) this.word(word)
    for (let i = 0; i < pieces.length; i++) {
      const length = prefix.length + pieces.to(i) - pieces.from(i)
      this.#head(DOLLAR, length)
      this.#room(length + 2)
      this.#length = copyBytes(prefix, 0, prefix.length, this.#memory, this.#length)
      this.#length = copyBytes(pieces.memory, pieces.from(i), pieces.to(i), this.#memory, this.#length)
      this.#lineEnd()
    }
    return this
  }

  /** Adds a command that is written already as Redis reads it. */
  addWritten(command: string): void {
    this.#count += 1
    this.#write(command)
  }

  /** Begins a command of so many words, which {@link word} then adds. */
  begin(words: number): void {
    this.#count += 1
    this.#head(STAR, words)
  }

  /** Adds a word to the command begun: bytes as they are, anything else as text. */
  word(argument: Argument): void {
    if (typeof argument === 'object') {
      this.#head(DOLLAR, argument.length)
      this.#room(argument.length + 2)
      this.#memory.set(argument, this.#length)
      this.#length += argument.length
    } else {
      const text = typeof argument === 'string' ? argument : String(argument)
      const bytes = Buffer.byteLength(text)
      this.#head(DOLLAR, bytes)
      this.#room(bytes + 2)
      // ASCII is by far the quicker way to write it, and what most is.
      if (bytes === text.length) this.#memory.write(text, this.#length, bytes, 'latin1')
      else this.#memory.write(text, this.#length, bytes, 'utf8')
      this.#length += bytes
    }
    this.#lineEnd()
  }

  /** Has none any more; its memory stays. */
  clear(): void {
    this.#length = 0
    this.#count = 0
  }

  #head(mark: number, count: number): void {
    this.#room(HEAD_BYTES_MAX)
    this.#memory[this.#length++] = mark
    let digits = 1
    for (let rest = count; rest > 9; rest = Math.trunc(rest / 10)) digits += 1
    let rest = count
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      this.#memory[at] = ZERO + (rest % 10)
      rest = Math.trunc(rest / 10)
    }
    this.#length += digits
    this.#lineEnd()
  }

  #lineEnd(): void {
    this.#memory[this.#length++] = CR
    this.#memory[this.#length++] = LF
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
