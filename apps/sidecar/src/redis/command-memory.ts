import type { Argument } from './connection.ts'

const BYTES_MIN = 16 * 1024
/** Larger memory isn't kept. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024
const KEPT_MAX = 4
/** Of an argument, beside its own bytes: `$`, its length, and the ends of both lines. */
const AROUND_BYTES_MAX = 16

/** Writes commands as Redis reads them, each into memory that was another one's before. */
export class CommandMemory {
  readonly #free: Buffer[] = []

  /** A command's bytes: its taker's until given back. */
  write(command: readonly Argument[]): Buffer {
    let bytesMax = AROUND_BYTES_MAX
    for (const part of command) bytesMax += AROUND_BYTES_MAX + mostBytes(part)
    const memory = this.#memory(bytesMax)
    let at = 0
    let text = `*${command.length}\r\n`
    for (const part of command) {
      if (part instanceof Buffer) {
        at += memory.write(`${text}$${part.length}\r\n`, at)
        memory.set(part, at)
        at += part.length
        text = '\r\n'
      } else {
        const own = typeof part === 'string' ? part : String(part)
        text += `$${Buffer.byteLength(own)}\r\n${own}\r\n`
      }
    }
    at += memory.write(text, at)
    return memory.subarray(0, at)
  }

  /** Nobody needs a command's bytes any more. */
  giveBack({ buffer }: Buffer): void {
    if (buffer.byteLength > KEPT_BYTES_MAX) return
    this.#free.push(Buffer.from(buffer))
    // The smallest goes.
    this.#free.sort((a, b) => a.length - b.length)
    if (this.#free.length > KEPT_MAX) this.#free.shift()
  }

  #memory(bytes: number): Buffer {
    const fits = this.#free.findIndex((one) => one.length >= bytes)
    const [free] = fits < 0 ? [] : this.#free.splice(fits, 1)
    return free ?? Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(Math.max(BYTES_MIN, bytes))))
  }
}

/** As many bytes as a part may have in UTF-8. */
function mostBytes(part: Argument): number {
  if (typeof part === 'number') return 24
  return typeof part === 'string' ? 3 * part.length : part.length
}
