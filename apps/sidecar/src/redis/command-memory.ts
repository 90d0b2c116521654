import { CommandBytes } from './command-bytes.ts'
import type { Argument } from './connection.ts'

/** Larger memory isn't kept. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024
const KEPT_MAX = 4

/** Writes commands, each into memory that was another one's before. */
export class CommandMemory {
  readonly #free: CommandBytes[] = []

  /** A command as Redis reads it: its taker's until given back. */
  write(command: readonly Argument[]): CommandBytes {
    return (this.#free.pop() ?? new CommandBytes()).add(...command)
  }

  /** Nobody needs a command's bytes any more. */
  giveBack(bytes: CommandBytes): void {
    if (bytes.capacity > KEPT_BYTES_MAX || this.#free.length >= KEPT_MAX) return
    bytes.clear()
    this.#free.push(bytes)
  }
}
