import { comparePositions, type Position, parsePosition, samePosition } from '@perigee/core'
import type { RedisConnection } from './connection.ts'
import type { Keys } from './keys.ts'
import type { Tracking } from './tracking.ts'

interface Waiter {
  readonly known: Position
  readonly wake: () => void
}

/** Knows the data Redis's clock a moment after it moves, and wakes those who wait for that. */
export class ClockWatch {
  readonly #connection: RedisConnection
  readonly #key: string
  readonly #waiters = new Set<Waiter>()
  readonly #listeners = new Set<(clock: Position) => void>()
  #newest: Position | undefined
  #held: Position | undefined
  #reading = false
  #stale = false

  constructor({
    connection,
    keys,
    tracking,
  }: { connection: RedisConnection; keys: Keys; tracking: Tracking }) {
    this.#connection = connection
    this.#key = keys.clock
    tracking.onChange((key) => {
      if (key === 'clock') this.#refresh()
    })
  }

  /** The clock as last read, even if the Redis holds none any more; `undefined` before the first read. */
  get newest(): Position | undefined {
    return this.#newest
  }

  /** What the Redis held for a clock when last read; `undefined` for nothing. */
  get held(): Position | undefined {
    return this.#held
  }

  /** Calls back with every new clock. */
  onMove(listener: (clock: Position) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when the clock isn't `known` any more, after `timeoutMs`, or when the signal aborts. */
  changed(known: Position, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || (this.#newest && comparePositions(this.#newest, known) > 0))
      return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#waiters.delete(waiter)
        resolve()
      }
      const waiter: Waiter = { known, wake }
      const timer = setTimeout(wake, timeoutMs)
      signal.addEventListener('abort', wake)
      this.#waiters.add(waiter)
    })
  }

  /** Reads once at a time; a change that comes meanwhile is read right after. */
  #refresh(): void {
    if (this.#reading) {
      this.#stale = true
      return
    }
    this.#reading = true
    this.#stale = false
    this.#connection
      .call('GET', this.#key)
      .then((reply) => this.#read(reply ? parsePosition(String(reply)) : undefined))
      .catch(() => {})
      .finally(() => {
        this.#reading = false
        if (this.#stale) this.#refresh()
      })
  }

  #read(clock: Position | undefined): void {
    this.#held = clock
    if (!clock) return
    const moved = !this.#newest || !samePosition(this.#newest, clock)
    this.#newest = clock
    for (const waiter of this.#waiters) if (!samePosition(waiter.known, clock)) waiter.wake()
    if (moved) for (const listener of this.#listeners) listener(clock)
  }
}
