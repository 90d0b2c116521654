import { ORIGIN, type Position } from '@perigee/core'
import type { ChangeLog } from '../redis/change-log.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { refusal } from '../status-error.ts'
import { type ChunkCopies, copiesOf } from './chunk-copies.ts'

/** Copies to write in one commit. */
export interface Mend extends ChunkCopies {
  /** To be called when they are written. */
  done(): void
}

interface Order {
  readonly indexUid: string
  readonly ids: string[]
  resolve(): void
  reject(error: unknown): void
}

const NOTHING: Mend = { changes: [], seen: ORIGIN, done: () => {} }

/**
 * Copies that somebody wants written anew, whatever is there: to mend what a comparison found, or to fill an index anew. The
 * follower takes them along with the log, so that it stays the only writer; being copies of chunks as they are by then, they
 * never make an index incomplete.
 */
export class Mending {
  readonly #log: ChangeLog
  readonly #region: string
  readonly #orders: Order[] = []
  #ordered = new AbortController()

  constructor({ log, region }: { log: ChangeLog; region: string }) {
    this.#log = log
    this.#region = region
  }

  /** Whether there is something to write. */
  get waiting(): boolean {
    return this.#orders.length > 0
  }

  /** Aborts when something is ordered. */
  get ordered(): AbortSignal {
    if (this.#ordered.signal.aborted && !this.waiting) this.#ordered = new AbortController()
    return this.#ordered.signal
  }

  /**
   * Has copies written as their chunks are by then; resolves when that is done.
   *
   * @throws StatusError INDEX_NOT_FOUND when the index goes meanwhile; the signal's reason when it aborts.
   */
  write(indexUid: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const abort = () => order.reject(signal.reason)
      const settle = (how: () => void) => {
        signal.removeEventListener('abort', abort)
        const place = this.#orders.indexOf(order)
        if (place >= 0) this.#orders.splice(place, 1)
        how()
      }
      const order: Order = {
        indexUid,
        ids: [...ids],
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      }
      signal.addEventListener('abort', abort)
      this.#orders.push(order)
      this.#ordered.abort()
      if (signal.aborted) abort()
    })
  }

  /**
   * The next copies to write, possibly none.
   *
   * @param from the data Redis's clock as of the log's batch that they are written with.
   */
  async next(
    count: number,
    from: Position,
    definitions: ReadonlyMap<string, IndexDefinition>,
  ): Promise<Mend> {
    const [order] = this.#orders
    if (!order) return NOTHING
    const definition = definitions.get(order.indexUid)
    if (!definition) {
      order.reject(refusal('INDEX_NOT_FOUND', 'The index was dropped meanwhile.'))
      return NOTHING
    }
    const ids = order.ids.slice(0, count)
    const copies = await copiesOf(this.#log, definition, { ids, from, region: this.#region })
    const done = () => {
      order.ids.splice(0, copies.changes.length)
      if (order.ids.length === 0) order.resolve()
    }
    return { ...copies, done }
  }
}
