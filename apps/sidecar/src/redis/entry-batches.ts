import { type EntryFields, Pieces } from '@perigee/protocol'
import type { AtClock, EntriesAtClock } from './data-redis.ts'
import { type StoredEntry, storedEntryOf } from './entry-codec.ts'

/** Of keys in one command: its reply is held whole until it is read, and with values of 1 MiB the connection's own memory still does. */
const KEYS_MAX = 3

/** One entry, or none, and the clock it was read at. */
export interface EntryAtClock extends AtClock {
  readonly entry: StoredEntry | undefined
}

/** Reads entries of a namespace together, as `DataRedis.useEntries` does. */
type UseEntries = (namespace: string, keys: Pieces, use: (entries: EntriesAtClock) => void) => Promise<void>

interface Asked {
  readonly key: string
  resolve(found: EntryAtClock): void
  reject(error: unknown): void
}

/**
 * Entries that are asked for one at a time: those of a namespace that are asked for in one turn of the event loop are read
 * together, after all of them were asked for, and their commands leave together: to send each by itself would take longer than
 * Redis takes to answer it.
 */
export class EntryBatches {
  readonly #use: UseEntries
  readonly #asked = new Map<string, Asked[]>()

  constructor(use: UseEntries) {
    this.#use = use
  }

  /** Reads an entry; it is a copy. @throws what reading them together throws. */
  get(namespace: string, key: string): Promise<EntryAtClock> {
    return new Promise((resolve, reject) => {
      if (this.#asked.size === 0) setImmediate(() => this.#readAll())
      const asked = this.#asked.get(namespace)
      if (asked) asked.push({ key, resolve, reject })
      else this.#asked.set(namespace, [{ key, resolve, reject }])
    })
  }

  #readAll(): void {
    const all = [...this.#asked]
    this.#asked.clear()
    for (const [namespace, asked] of all)
      for (let from = 0; from < asked.length; from += KEYS_MAX)
        this.#read(namespace, asked.slice(from, from + KEYS_MAX))
  }

  #read(namespace: string, asked: readonly Asked[]): void {
    const use = ({ clock, at }: EntriesAtClock) =>
      asked.forEach(({ key, resolve }, i) => {
        const found: EntryFields | undefined = at(i)
        resolve({ clock, entry: found && storedEntryOf(key, found) })
      })
    const keys = Pieces.of(asked.map(({ key }) => key))
    this.#use(namespace, keys, use).catch((error: unknown) => {
      for (const { reject } of asked) reject(error)
    })
  }
}
