import { cpSync, rmSync, statSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LocalCluster } from '@perigee/local-cluster'
import type { Perigee } from '@perigee/sdk'
import { waitFor } from '../support/wait-for.ts'
import { DIMENSIONS, DrivenSession, INDEX, MODEL, NAMESPACE } from './driven-session.ts'
import type { RunSettings } from './history.ts'
import { IndexSampler } from './index-sampler.ts'
import { judge, type Verdict } from './judge.ts'
import { clusterFor, type FaultName, Nemesis } from './nemesis.ts'
import { allItems, CHUNKS, chunkItem, ENTRIES, entryItem, type PlannedCall, planOf } from './plan.ts'
import { Recorder } from './recorder.ts'
import { restOf } from './rest.ts'
import { keepWholeLife } from './scene.ts'
import { StoreWatch } from './store-watch.ts'
import { type DataReading, finalState, Stores } from './stores.ts'
import { Weather } from './weather.ts'

/** How to run. */
export interface RunOptions {
  readonly ops: number
  readonly seed: number
  readonly sessions: number
  readonly sessionsOn: boolean
  readonly faults: FaultName
  /** Part of the writes that ask for replicas to have them, 0 to 1. */
  readonly replicated: number
  /** What is known to be wrong with what runs, for the history. */
  readonly bug?: string | undefined
  /** Main file of the sidecars. Default: the built one. */
  readonly sidecarMain?: string | undefined
  /** Main file of the client. Default: the built one. */
  readonly sdkMain?: string | undefined
  /** Whether to keep the history. Default: when it has violations. */
  readonly keep?: boolean | undefined
  readonly onProgress?: ((text: string) => void) | undefined
}

/** A run and what it shows. */
export interface RunResult {
  readonly verdict: Verdict
  /** The history, when it is kept. */
  readonly file: string | undefined
  readonly seconds: number
}

/** Calls of one session in flight at once, at most. */
const LANES_MAX = 4
const PROGRESS_EVERY_MS = 10_000
const TIMEOUT_MS = 10_000
/** Where much fails, so that it fails sooner. */
const DISTURBED_TIMEOUT_MS = 4_000
/** Read at rest by every session, in every region. */
const ROLL_CALL_TIMEOUT_MS = 10_000

/** Starts regions, drives sessions over them, disturbs them, waits until all is quiet, and judges. */
export async function runAndJudge(options: RunOptions): Promise<RunResult> {
  const startedAt = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'random-histories-'))
  const file = join(folder, `seed-${options.seed}.jsonl`)
  const run = await Run.start(options, file)
  try {
    await run.drive()
  } finally {
    await run.stop()
  }
  const verdict = judge(run.recorder.history())
  const seconds = (performance.now() - startedAt) / 1000
  if (options.keep ?? verdict.violations.length > 0) return { verdict, file, seconds }
  rmSync(dirname(file), { recursive: true, force: true })
  return { verdict, file: undefined, seconds }
}

class Run {
  readonly recorder: Recorder
  readonly #options: RunOptions
  readonly #cluster: LocalCluster
  readonly #clients: ReadonlyMap<string, Perigee>
  readonly #stores: Stores
  readonly #watch: StoreWatch

  private constructor(
    options: RunOptions,
    parts: {
      recorder: Recorder
      cluster: LocalCluster
      clients: ReadonlyMap<string, Perigee>
      stores: Stores
    },
  ) {
    this.#options = options
    this.recorder = parts.recorder
    this.#cluster = parts.cluster
    this.#clients = parts.clients
    this.#stores = parts.stores
    this.#watch = new StoreWatch(parts.cluster, parts.recorder)
  }

  static async start(options: RunOptions, file: string): Promise<Run> {
    const { sidecarMain, sdkMain } = options
    const cluster = await LocalCluster.start({
      distances: 'none',
      ...clusterFor(options.faults),
      sidecarEnv: { PERIGEE_LOG_ENTRIES_MAX: '1000000', PERIGEE_LOG_LEVEL: 'info' },
      ...(sidecarMain !== undefined && { sidecarMain }),
    })
    const clients = new Map<string, Perigee>()
    try {
      const regions = cluster.state().regions.map(({ name }) => name)
      for (const region of regions) clients.set(region, await clientOf(cluster, region, sdkMain))
      for (const region of regions) await keepWholeLife(cluster, region)
      const uid = await makeIndex(clients.get(regions[0] as string) as Perigee)
      const settings: RunSettings = { ...options, bug: options.bug, regions }
      const recorder = new Recorder(file, settings)
      return new Run(options, { recorder, cluster, clients, stores: new Stores(cluster, uid) })
    } catch (error) {
      for (const client of clients.values()) await client.close()
      await cluster.stop()
      throw error
    }
  }

  async drive(): Promise<void> {
    const { ops, seed, sessions, faults, replicated, onProgress } = this.#options
    const timeoutMs = faults === 'none' ? TIMEOUT_MS : DISTURBED_TIMEOUT_MS
    const { recorder } = this
    const regions = [...this.#clients.keys()]
    this.#watch.start()
    await this.#prime()
    const weather = new Weather(this.#cluster, seed)
    const sampler = new IndexSampler({ stores: this.#stores, recorder, regions })
    const nemesis = this.#nemesis(regions, weather)
    const progress = setInterval(() => onProgress?.(this.#progress()), PROGRESS_EVERY_MS)
    try {
      await weather.start()
      sampler.start()
      nemesis.start()
      const all = sharesOf(ops, sessions).map(({ count, lanes }, number) => {
        const session = this.#session(number)
        const plan = planOf({ seed, session: number, count, regions, timeoutMs, replicated })
        return { session, done: session.run(plan, lanes) }
      })
      await Promise.all(all.map(({ done }) => done))
      await nemesis.end()
      await weather.calm()
      const unrest = nemesis.failure ? [nemesis.failure.message] : []
      onProgress?.('waiting until all regions are level')
      unrest.push(...(await restOf(this.#cluster, this.#stores, regions)))
      await this.#rollCall(
        all.map(({ session }) => session),
        regions,
      )
      sampler.stop()
      await sampler.sample()
      this.#watch.finish()
      await this.#readStores(regions, unrest)
    } finally {
      clearInterval(progress)
      sampler.stop()
      await weather.calm().catch(() => undefined)
      await nemesis.end()
    }
  }

  async stop(): Promise<void> {
    this.#watch.stop()
    await Promise.all([...this.#clients.values()].map((client) => client.close()))
    this.#keepLogs()
    await this.#cluster.stop()
    await this.recorder.close()
  }

  /** Beside the history, so that what it shows can be looked into. */
  #keepLogs(): void {
    const isLogOrFolder = (path: string) => path.endsWith('.log') || statSync(path).isDirectory()
    const logs = join(dirname(this.recorder.file), 'logs')
    cpSync(this.#cluster.dir, logs, { recursive: true, filter: isLogOrFolder })
  }

  #nemesis(regions: readonly string[], weather: Weather): Nemesis {
    const { faults, seed, onProgress } = this.#options
    return new Nemesis(faults, {
      ...{ cluster: this.#cluster, clients: this.#clients, regions, weather, seed },
      readLife: (region) => this.#watch.read(region),
      acknowledged: this.recorder,
      note: (text) => {
        this.recorder.note(text)
        onProgress?.(text)
      },
    })
  }

  #session(number: number): DrivenSession {
    const { sessionsOn } = this.#options
    return new DrivenSession(number, { clients: this.#clients, recorder: this.recorder, sessionsOn })
  }

  /** Writes everything once, so that later nothing is missing. */
  async #prime(): Promise<void> {
    const session = this.#session(this.#options.sessions)
    const region = [...this.#clients.keys()][0] as string
    const rest = { region, timeoutMs: 10_000, hurried: false, primary: false, replicated: false, k: 1 }
    const calls = allItems().map((item): PlannedCall => {
      return { kind: item.startsWith('entry:') ? 'set' : 'upsert', item, ...rest }
    })
    await session.run(calls, 10)
  }

  /** Every session reads and searches once more in every region: one that saw what is lost must be told now. */
  async #rollCall(sessions: readonly DrivenSession[], regions: readonly string[]): Promise<void> {
    const rest = { timeoutMs: ROLL_CALL_TIMEOUT_MS, hurried: false, primary: false, replicated: false, k: 1 }
    await Promise.all(
      sessions.map(async (session, i) => {
        for (const region of regions) {
          await session.make({ kind: 'get', item: entryItem(i % ENTRIES), region, ...rest }, true)
          await session.make({ kind: 'search', item: chunkItem(i % CHUNKS), region, ...rest }, true)
        }
      }),
    )
  }

  async #readStores(regions: readonly string[], unrest: readonly string[]): Promise<void> {
    const readings = new Map<string, DataReading>()
    for (const region of regions) readings.set(region, await this.#stores.data(region))
    this.recorder.final(finalState(this.#primary(), readings, unrest))
  }

  #primary(): string {
    return this.#cluster.state().primary
  }

  #progress(): string {
    return `${this.recorder.ended} calls, ${this.recorder.failed} not answered`
  }
}

/**
 * How many calls each session makes, and how many of them at once: most have several in flight, whose answers may come out of
 * order, and the more at once the more in all, so that all end at about the same time.
 */
function sharesOf(ops: number, sessions: number): { count: number; lanes: number }[] {
  const lanes = Array.from({ length: sessions }, (_, number) => 1 + (number % LANES_MAX))
  const all = lanes.reduce((sum, one) => sum + one, 0)
  let left = ops
  return lanes.map((one, i) => {
    const count = i === sessions - 1 ? left : Math.round((ops * one) / all)
    left -= count
    return { count, lanes: one }
  })
}

async function clientOf(
  cluster: LocalCluster,
  region: string,
  sdkMain: string | undefined,
): Promise<Perigee> {
  const main = sdkMain === undefined ? '@perigee/sdk' : pathToFileURL(sdkMain).href
  const { Perigee: Client } = (await import(main)) as { Perigee: typeof Perigee }
  const { domain, regions } = cluster.state()
  const dns = regions.find(({ name }) => name === region)?.dns
  return Client.connect({ domain, regions: regions.map(({ name }) => name), region, dns })
}

async function makeIndex(client: Perigee): Promise<string> {
  const index = client.index(INDEX, { namespace: NAMESPACE, model: MODEL })
  const wanted = { dimensions: DIMENSIONS, algorithm: 'flat' as const }
  const made = await waitFor('a first write', () => index.ensureIndex(wanted), { timeoutMs: 20_000 })
  return made.uid
}
