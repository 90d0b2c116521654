import { setTimeout as pause } from 'node:timers/promises'
import type { Perigee, PerigeeError } from '@perigee/sdk'
import { INDEX, MODEL, NAMESPACE } from '../checker/driven-session.ts'
import { DEADLINE_MS } from './load.ts'

const EVERY_MS = 20
const WATCH_EVERY_MS = 200
/** Not judged, and so not in the way of what is. */
const OWN = 'every-kind'

/** Makes calls of every kind that sessions don't make, one after the other, and watches the cluster's status. */
export class EveryKind {
  /** The calls that failed, in words. */
  readonly failed: string[] = []
  /** Watches that ended with anything but UNAVAILABLE, in words. */
  readonly endedWrongly: string[] = []
  /** Watches that were begun anew. */
  resumed = 0
  /** The longest time in which a watch, whichever, told nothing. */
  silentMs = 0
  readonly #client: Perigee
  readonly #stopping = new AbortController()
  readonly #loops: readonly Promise<void>[]

  constructor(client: Perigee) {
    this.#client = client
    this.#loops = [this.#callAll(), this.#watch()]
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#loops)
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #callAll(): Promise<void> {
    for (let round = 0; !this.#stopped; round++) {
      for (const [name, call] of Object.entries(this.#calls(`k${round % 10}`))) {
        await call().catch((error: PerigeeError) =>
          this.failed.push(`${name}: ${error.code} ${error.message}`),
        )
        await pause(EVERY_MS)
      }
    }
  }

  #calls(key: string): Readonly<Record<string, () => Promise<unknown>>> {
    const client = this.#client
    const options = { timeoutMs: DEADLINE_MS }
    const cache = client.cache<string>(OWN)
    const index = client.index(INDEX, { namespace: NAMESPACE, model: MODEL })
    return {
      getMany: () => cache.getMany([key, 'other'], options),
      setMany: () =>
        cache.setMany(
          [
            [key, 'a'],
            ['other', 'b'],
          ],
          options,
        ),
      delete: () => cache.delete(key, options),
      keys: () => all(cache.keys('', options)),
      chunks: () => index.getMany(['c1', 'c2'], options),
      list: () => all(index.list(options)),
      describe: () => index.describe(options),
      deleteChunks: () => index.delete(['nobody'], options),
      indexes: () => all(client.indexes({ namespace: NAMESPACE, ...options })),
      status: () => client.cluster.status(options),
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping
    let newsMs = performance.now()
    while (!this.#stopped) {
      try {
        for await (const _ of this.#client.cluster.watchStatus({ intervalMs: WATCH_EVERY_MS, signal })) {
          this.silentMs = Math.max(this.silentMs, performance.now() - newsMs)
          newsMs = performance.now()
        }
      } catch (error) {
        if (this.#stopped) return
        const { code, message } = error as PerigeeError
        if (code === 'UNAVAILABLE') this.resumed += 1
        else this.endedWrongly.push(`${code} ${message}`)
      }
    }
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
