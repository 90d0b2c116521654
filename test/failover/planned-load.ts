import { setTimeout as pause } from 'node:timers/promises'
import { type Perigee, type PerigeeError, text } from '@perigee/sdk'
import { clientIn } from '../support/client-in.ts'
import { waitFor } from '../support/wait-for.ts'
import { NAMESPACE, type SentinelRegions, type TriedWrite } from './sentinel-regions.ts'

const DURABILITIES = ['primary', 'replicated'] as const
const PAUSE_MS = 5

/** A write, and what it asked for. */
export interface LoadedWrite extends TriedWrite {
  readonly durability: (typeof DURABILITIES)[number]
}

/**
 * Writes of both durabilities, session reads and reads of the primary, through the SDK in every region, one after the other
 * in each loop, until told to stop. Each write has a key and a session of its own.
 */
export class PlannedLoad {
  readonly writes: LoadedWrite[] = []
  /** Calls that failed within their deadlines, with all their attempts. */
  readonly failures: string[] = []
  readonly #clients = new Map<string, Perigee>()
  readonly #prefix: string
  readonly #timeoutMs: number
  #loops: Promise<void>[] = []
  #stopping = false
  #serial = 0
  reads = 0

  private constructor(prefix: string, timeoutMs: number) {
    this.#prefix = prefix
    this.#timeoutMs = timeoutMs
  }

  static async start(
    { cluster, regions }: SentinelRegions,
    { prefix, timeoutMs = 5000 }: { prefix: string; timeoutMs?: number },
  ): Promise<PlannedLoad> {
    const load = new PlannedLoad(prefix, timeoutMs)
    for (const region of regions) load.#clients.set(region, await clientIn(cluster, region))
    load.#loops = [...load.#clients].flatMap(([region, client]) => [
      ...DURABILITIES.map((durability) => load.#write(client, region, durability)),
      load.#readPrimary(client, region),
    ])
    await waitFor('writes from every region', () => load.acknowledged.length > 60, {
      timeoutMs: 30_000,
      explain: () => ({ writes: load.writes.length, failures: load.failures.slice(-5) }),
    })
    return load
  }

  get acknowledged(): LoadedWrite[] {
    return this.writes.filter(({ version }) => version !== undefined)
  }

  get epochs(): string[] {
    return [...new Set(this.acknowledged.map(({ version = '' }) => version.split('-')[0] ?? ''))]
  }

  /** How long no write was acknowledged at all between two epochs, milliseconds, for each change. */
  pauses(durability?: LoadedWrite['durability']): number[] {
    const writes = this.acknowledged.filter((write) => !durability || write.durability === durability)
    const ends = new Map<number, number[]>()
    for (const { version = '', endedMs } of writes) {
      const epoch = Number(version.split('-')[0])
      ends.set(epoch, [...(ends.get(epoch) ?? []), endedMs])
    }
    const times = [...ends].sort(([a], [b]) => a - b).map(([, ms]) => ms)
    return times.slice(1).map((after, i) => Math.min(...after) - Math.max(...(times[i] ?? [])))
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#loops)
    for (const client of this.#clients.values()) await client.close()
  }

  async #write(client: Perigee, region: string, durability: LoadedWrite['durability']): Promise<void> {
    while (!this.#stopping) {
      const key = `${this.#prefix}-${region}-${this.#serial++}`
      const session = client.session()
      const cache = session.cache(NAMESPACE, { codec: text })
      const startedMs = performance.now()
      const options = { durability, timeoutMs: this.#timeoutMs }
      try {
        const { version } = await cache.set(key, key, options)
        const token = Buffer.from(session.token ?? '', 'base64url')
        this.writes.push({ region, key, durability, startedMs, endedMs: performance.now(), version, token })
        const read = await cache.get(key, { timeoutMs: this.#timeoutMs })
        this.reads++
        if (read !== key) this.failures.push(`a session read ${read} instead of its own ${key}`)
      } catch (error) {
        this.#failed(`${durability} write or its read in ${region}`, startedMs, error)
        this.writes.push({
          ...{ region, key, durability, startedMs, endedMs: performance.now() },
          failed: String((error as PerigeeError).reason),
        })
      }
      await pause(PAUSE_MS)
    }
  }

  async #readPrimary(client: Perigee, region: string): Promise<void> {
    const cache = client.cache(NAMESPACE, { codec: text })
    while (!this.#stopping) {
      const startedMs = performance.now()
      try {
        await cache.get('any', { consistency: 'primary', timeoutMs: this.#timeoutMs })
        this.reads++
      } catch (error) {
        this.#failed(`read of the primary in ${region}`, startedMs, error)
      }
      await pause(PAUSE_MS)
    }
  }

  #failed(what: string, startedMs: number, error: unknown): void {
    const { code, reason, message } = error as PerigeeError
    const tookMs = Math.round(performance.now() - startedMs)
    this.failures.push(`${what} after ${tookMs} ms: ${code} ${reason} ${message}`)
  }
}
