import { setTimeout as pause } from 'node:timers/promises'
import type { LocalCluster } from '@perigee/local-cluster'
import type { Perigee, PerigeeError } from '@perigee/sdk'
import { vectorOf } from '../support/chunks.ts'
import { clientIn } from '../support/client-in.ts'
import { waitFor } from '../support/wait-for.ts'

const LOOPS_PER_REGION = 2
const PAUSE_MS = 5
const MODEL = { id: 'test/model', revision: '1' }
const DIMENSIONS = 8
const NAMESPACE = 'upgrade'

/** Everyday calls through the SDK in every region, in sessions that read what they wrote. */
export class Load {
  /** Calls that failed with all their attempts. */
  readonly failures: string[] = []
  /** Values that a session read instead of its own. */
  readonly wrong: string[] = []
  readonly #clients: readonly Perigee[]
  readonly #written = new Map<string, number>()
  #loops: Promise<void>[] = []
  #stopping = false
  #calls = 0

  private constructor(clients: readonly Perigee[]) {
    this.#clients = clients
  }

  static async start(cluster: LocalCluster): Promise<Load> {
    const regions = cluster.state().regions.map(({ name }) => name)
    const load = new Load(await Promise.all(regions.map((region) => clientIn(cluster, region))))
    const docs = load.#clients[0]?.index('docs', { namespace: NAMESPACE, model: MODEL })
    await docs?.ensureIndex({ dimensions: DIMENSIONS, algorithm: 'flat' })
    load.#loops = load.#clients.flatMap((client, region) =>
      Array.from({ length: LOOPS_PER_REGION }, (_, i) => load.#loop(client, `${region}-${i}`)),
    )
    await load.goesOn()
    return load
  }

  /** Waits until some more calls have been made. */
  async goesOn(count = 100): Promise<void> {
    const until = this.#calls + count
    await waitFor(`${count} more calls`, () => this.#calls >= until, {
      timeoutMs: 60_000,
      explain: () => ({ calls: this.#calls, failures: this.failures.slice(-5) }),
    })
  }

  /** Ends it, and looks in every region for what each loop wrote last. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#loops)
    for (const client of this.#clients) {
      const cache = client.cache<number>(NAMESPACE)
      for (const [key, value] of this.#written) {
        await waitFor(`${key} to be ${value} everywhere`, async () => (await cache.get(key)) === value)
      }
      await client.close()
    }
  }

  async #loop(client: Perigee, name: string): Promise<void> {
    const session = client.session()
    const cache = session.cache<number>(NAMESPACE)
    const docs = session.index('docs', { namespace: NAMESPACE, model: MODEL })
    const vector = vectorOf(name, DIMENSIONS)
    for (let turn = 0; !this.#stopping; turn++) {
      await this.#call('set', async () => {
        await cache.set(name, turn)
        this.#written.set(name, turn)
      })
      await this.#call('get', async () => {
        const read = await cache.get(name)
        if (read !== this.#written.get(name))
          this.wrong.push(`${name} is ${read}, not ${this.#written.get(name)}`)
      })
      await this.#call('upsert', () => docs.upsert([{ id: name, text: String(turn), vector }]))
      await this.#call('search', async () => {
        const [hit] = await docs.search(vector, { k: 1 })
        if (hit?.id !== name) this.wrong.push(`${name} isn't found, but ${hit?.id}`)
      })
      await pause(PAUSE_MS)
    }
  }

  async #call(what: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await call()
    } catch (error) {
      const { code, reason, message } = error as PerigeeError
      this.failures.push(`${what}: ${code} ${reason} ${message}`)
    }
    this.#calls++
  }
}
