import { CommandBytes } from './command-bytes.ts'

/** Larger memory isn't kept. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024
const KEPT_MAX = 4

/** Memory for commands that was other commands' before. */
export class CommandMemory {
  readonly #free: CommandBytes[] = []

  /** Memory for commands: its taker's until given back. */
  take(): CommandBytes {
    return this.#free.pop() ?? new CommandBytes()
  }

  /** Nobody needs a command's bytes any more. */
  giveBack(bytes: CommandBytes): void {
    if (bytes.capacity > KEPT_BYTES_MAX || this.#free.length >= KEPT_MAX) return
    bytes.clear()
    this.#free.push(bytes)
  }
}
