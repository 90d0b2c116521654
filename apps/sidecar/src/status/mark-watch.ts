import { parseMark, type TimedMark } from './timed-mark.ts'

/** A mark as it was seen here. */
export interface SeenMark extends TimedMark {
  /** When it arrived, by the estimate of the primary's clock, Unix milliseconds. */
  readonly seenAtMs: number
}

export interface MarkWatchOptions {
  /** Calls back when the mark may have changed; returns what ends that. */
  readonly onChange: (listener: () => void) => () => void
  /** Reads the mark from this region's data Redis: its text, or `null`. May reject. */
  readonly read: () => Promise<string | null>
  /** The estimate of the primary's clock, Unix milliseconds. */
  readonly nowMs: () => number
}

/** Sees each new value of a mark (the heartbeat, or the lag probe) arrive in this region's data Redis. */
export class MarkWatch {
  readonly #options: MarkWatchOptions
  readonly #listeners = new Set<(mark: SeenMark) => void>()
  #newest: SeenMark | undefined
  #reading = false
  #changedAtMs: number | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: MarkWatchOptions) {
    this.#options = options
  }

  start(): void {
    this.#unsubscribe = this.#options.onChange(() => {
      this.#changedAtMs ??= this.#options.nowMs()
      void this.#read()
    })
  }

  stop(): void {
    this.#unsubscribe?.()
  }

  /** The newest one seen. */
  get newest(): SeenMark | undefined {
    return this.#newest
  }

  /** Calls back with each new one; returns what ends that. */
  onMark(listener: (mark: SeenMark) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** One read at a time; what changes meanwhile is read right after. */
  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#changedAtMs !== undefined) {
        const seenAtMs = this.#changedAtMs
        this.#changedAtMs = undefined
        const text = await this.#options.read()
        const mark = text === null ? undefined : parseMark(text)
        if (mark) this.#see({ ...mark, seenAtMs })
      }
    } catch {
      // The Redis can't answer; tracking tells again once it can.
      this.#changedAtMs = undefined
    } finally {
      this.#reading = false
    }
  }

  #see(mark: SeenMark): void {
    if (this.#newest?.label === mark.label && this.#newest.writtenAtMs === mark.writtenAtMs) return
    this.#newest = mark
    for (const listener of this.#listeners) listener(mark)
  }
}
