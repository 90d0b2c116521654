import { type Position, samePosition } from '@perigee/core'
import type { ChangeLog, LogBatch } from '../redis/change-log.ts'

/** Reads the change log batch by batch, one ahead when told to, and remembers what every batch tells. */
export class LogReader {
  readonly #log: ChangeLog
  #ahead: { readonly after: Position; readonly batch: Promise<LogBatch> } | undefined
  #added = 0
  #answeredAtMs = performance.now()

  constructor(log: ChangeLog) {
    this.#log = log
  }

  /** How many entries the log had ever taken when last read. */
  get added(): number {
    return this.#added
  }

  /** How long ago the data Redis last answered, milliseconds. */
  get silentForMs(): number {
    return performance.now() - this.#answeredAtMs
  }

  /** The batch that comes after an entry: the one read ahead if that is it, else `count` entries at most. */
  async after(position: Position, count: number): Promise<LogBatch> {
    const ahead = this.#ahead
    this.#ahead = undefined
    const reading =
      ahead && samePosition(ahead.after, position) ? ahead.batch : this.#log.read(position, count)
    const batch = await reading
    this.#answeredAtMs = performance.now()
    this.#added = batch.added ?? 0
    return batch
  }

  /** Begins to read the batch that comes after an entry. @param prepare is given it first, as soon as it is there. */
  readAhead(after: Position, count: number, prepare: (batch: LogBatch) => void): void {
    const batch = this.#log.read(after, count).then((read) => {
      prepare(read)
      return read
    })
    batch.catch(() => {})
    this.#ahead = { after, batch }
  }

  /** Keeps a batch for whoever asks for it next. */
  keep(after: Position, batch: LogBatch): void {
    this.#ahead = { after, batch: Promise.resolve(batch) }
  }

  /** Drops what was read ahead. */
  forget(): void {
    this.#ahead = undefined
  }
}
