import { setTimeout as delay } from 'node:timers/promises'
import { type Perigee, PerigeeError, type Receipt, text } from '@perigee/sdk'

/** One call of a {@link PacedLoad}. */
export interface LoadCall {
  readonly kind: 'get' | 'set' | 'search'
  /** By the monotonic clock. */
  readonly startedMs: number
  readonly endedMs: number
  /** Whose Redis answered; `undefined` when the call failed. */
  readonly region: string | undefined
  /** A read that was told that there is nothing, though everything was written before the load began. */
  readonly missed: boolean
  readonly error: PerigeeError | undefined
}

export interface PacedLoadOptions {
  readonly kinds: readonly LoadCall['kind'][]
  /** Between two calls of a kind. Default 30. */
  readonly everyMs?: number
  /** Of each call. Default 2,000. */
  readonly timeoutMs?: number
  readonly hedgeAfterMs?: number
}

const NAMESPACE = 'paced'
const KEYS = 20
const MODEL = { id: 'paced', revision: '1' }
const VECTOR = [1, 0, 0, 0]

/** Writes what a {@link PacedLoad} reads, and waits until the client's region has all of it. */
export async function prepareLoad(perigee: Perigee): Promise<void> {
  const session = perigee.session()
  const cache = session.cache(NAMESPACE, { codec: text })
  for (let i = 0; i < KEYS; i++) await cache.set(`k${i}`, `v${i}`)
  const docs = session.index('paced', { model: MODEL })
  await docs.ensureIndex({ dimensions: VECTOR.length, algorithm: 'flat' })
  await docs.upsert([{ id: 'a', vector: VECTOR }])
  await docs.search(VECTOR, { k: 1, maxWaitMs: 4_000 })
}

/** Calls of one client at a steady pace, whatever becomes of those before, until it is stopped. */
export class PacedLoad {
  readonly calls: LoadCall[] = []
  readonly #perigee: Perigee
  readonly #options: PacedLoadOptions
  readonly #inFlight = new Set<Promise<void>>()
  readonly #stopped = new AbortController()
  readonly #loops: Promise<unknown>

  constructor(perigee: Perigee, options: PacedLoadOptions) {
    this.#perigee = perigee
    this.#options = options
    this.#loops = Promise.all(options.kinds.map((kind) => this.#loop(kind)))
  }

  /** Waits for the calls under way. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#loops
    await Promise.all(this.#inFlight)
  }

  get failed(): readonly LoadCall[] {
    return this.calls.filter(({ error }) => error)
  }

  get missed(): readonly LoadCall[] {
    return this.calls.filter(({ missed }) => missed)
  }

  /** Calls begun at `ms` or later. */
  since(ms: number): readonly LoadCall[] {
    return this.calls.filter(({ startedMs }) => startedMs >= ms)
  }

  async #loop(kind: LoadCall['kind']): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      const call = this.#call(kind).finally(() => this.#inFlight.delete(call))
      this.#inFlight.add(call)
      await delay(this.#options.everyMs ?? 30, undefined, { signal }).catch(() => {})
    }
  }

  async #call(kind: LoadCall['kind']): Promise<void> {
    const startedMs = performance.now()
    let region: string | undefined
    let missed = false
    let error: PerigeeError | undefined
    try {
      const answer = await this.#make(kind)
      region = answer.receipt?.region
      missed = !answer.found
    } catch (thrown) {
      error = PerigeeError.from(thrown)
    }
    this.calls.push({ kind, startedMs, endedMs: performance.now(), region, missed, error })
  }

  async #make(kind: LoadCall['kind']): Promise<{ receipt: Receipt | undefined; found: boolean }> {
    const { timeoutMs = 2_000, hedgeAfterMs } = this.#options
    const options = { timeoutMs, hedgeAfterMs }
    const key = `k${Math.floor(Math.random() * KEYS)}`
    const cache = this.#perigee.cache(NAMESPACE, { codec: text })
    if (kind === 'set') {
      const { receipt } = await cache.set(`w${key}`, 'w', { timeoutMs })
      return { receipt, found: true }
    }
    if (kind === 'search') {
      const hits = await this.#perigee.index('paced', { model: MODEL }).search(VECTOR, { k: 1, ...options })
      return { receipt: hits.receipt, found: hits.length === 1 }
    }
    let receipt: Receipt | undefined
    const onReceipt = (one: Receipt) => {
      receipt = one
    }
    const value = await cache.get(key, { ...options, onReceipt })
    return { receipt, found: value !== undefined }
  }
}

/** What calls were like, for a test that fails: the first few of them. */
export function told(calls: readonly LoadCall[]): readonly string[] {
  return calls.slice(0, 5).map(({ kind, region, startedMs, endedMs, error }) => {
    const tookMs = Math.round(endedMs - startedMs)
    return `a ${kind}, one of ${calls.length} calls, after ${tookMs} ms: ${error?.message ?? region}`
  })
}
