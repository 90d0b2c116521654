// Real regions at real distances that are disturbed on purpose, with everything that judges what their clients saw: the
// recorder of all calls, and what the data Redis themselves wrote down.

import { cpSync, rmSync, statSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LocalCluster, type LocalClusterOptions } from '@perigee/local-cluster'
import type { ConnectOptions, Perigee } from '@perigee/sdk'
import { DIMENSIONS, DrivenSession, INDEX, MODEL, NAMESPACE } from '../checker/driven-session.ts'
import type { Operation } from '../checker/history.ts'
import { operationInWords } from '../checker/in-words.ts'
import { judge, type Verdict } from '../checker/judge.ts'
import { allItems, type PlannedCall } from '../checker/plan.ts'
import { Recorder } from '../checker/recorder.ts'
import { restOf } from '../checker/rest.ts'
import { keepWholeLife, Scene } from '../checker/scene.ts'
import { StoreWatch } from '../checker/store-watch.ts'
import { type DataReading, finalState, Stores } from '../checker/stores.ts'
import { Weather } from '../checker/weather.ts'
import { clientIn } from '../support/client-in.ts'
import { randomNumbers } from '../support/vectors.ts'
import { waitFor } from '../support/wait-for.ts'
import { RecordedCalls } from './calls.ts'
import { DEADLINE_MS, Load, type Mix } from './load.ts'

/** How to set a stage up. */
export interface StageOptions {
  readonly seed: number
  readonly cluster?: LocalClusterOptions | undefined
  /** False: calls are made without sessions, and promises must be seen to break. Default true. */
  readonly sessionsOn?: boolean | undefined
  readonly onNote?: ((text: string) => void) | undefined
}

/** Further clients, by a name of their own. */
export type Visitors = ReadonlyMap<string, Perigee>

export const noVisitors: Visitors = new Map()

/** Of calls that should not be, so many are told. */
const TOLD_MAX = 5
const WARM_CALLS = 4
const WARM_WITHIN_MS = 60_000
const UNTIL_WITHIN_MS = 60_000

/** The regions, their clients, and all that was ever seen of them. */
export class Stage {
  readonly cluster: LocalCluster
  readonly scene: Scene
  readonly stores: Stores
  readonly #options: StageOptions
  readonly #folder: string
  readonly #watch: StoreWatch
  readonly #random: () => number
  #recorder: Recorder
  #acts = 1
  /** Whether this act's history is worth keeping: until it is judged, and when something is wrong with it. */
  #suspicious = true
  #sessions = 0
  /** Whether there are sessions that search. */
  #searching = false
  #drawn = 0

  private constructor(
    options: StageOptions,
    parts: { cluster: LocalCluster; recorder: Recorder; stores: Stores; folder: string },
  ) {
    this.#options = options
    this.#folder = parts.folder
    this.cluster = parts.cluster
    this.#recorder = parts.recorder
    this.stores = parts.stores
    this.#watch = new StoreWatch(parts.cluster, parts.recorder)
    this.#random = randomNumbers(options.seed)
    this.scene = new Scene({
      ...{ cluster: parts.cluster, regions: this.regions, clients: new Map(), seed: options.seed },
      ...{ acknowledged: this.#acknowledged, weather: new Weather(parts.cluster, options.seed) },
      readLife: (region) => this.#watch.read(region),
      note: (text) => this.note(text),
    })
  }

  /** Starts regions, makes the index and writes every entry and chunk once. */
  static async start(options: StageOptions): Promise<Stage> {
    const cluster = await LocalCluster.start({
      topology: 'sentinel',
      ...options.cluster,
      sidecarEnv: {
        PERIGEE_LOG_ENTRIES_MAX: '1000000',
        PERIGEE_LOG_LEVEL: 'info',
        ...options.cluster?.sidecarEnv,
      },
    })
    try {
      const regions = cluster.layout.regions
      for (const region of regions) await keepWholeLife(cluster, region)
      await using client = await clientIn(cluster, regions[0] as string)
      const uid = await makeIndex(client)
      const folder = await mkdtemp(join(tmpdir(), 'chaos-'))
      const { seed, sessionsOn = true } = options
      const settings = { seed, ops: 0, sessions: 0, sessionsOn, faults: 'chaos', bug: undefined, regions }
      const recorder = new Recorder(join(folder, `seed-${seed}.jsonl`), settings)
      const stage = new Stage(options, { cluster, recorder, stores: new Stores(cluster, uid), folder })
      stage.#watch.start()
      await stage.#prime(client, regions[0] as string)
      return stage
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** What writes this act down. */
  get recorder(): Recorder {
    return this.#recorder
  }

  get regions(): readonly string[] {
    return this.cluster.layout.regions
  }

  get primary(): string {
    return this.cluster.primary
  }

  /** All but the primary's. */
  get replicas(): readonly string[] {
    return this.regions.filter((region) => region !== this.primary)
  }

  others(region: string): readonly string[] {
    return this.regions.filter((other) => other !== region)
  }

  /** One after the other, each time the next. */
  inTurn<T>(all: readonly T[]): T {
    return all[this.#drawn++ % all.length] as T
  }

  /** One, by chance; the same for the same seed. */
  oneOf<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)] as T
  }

  /** Milliseconds on the clock that calls are recorded by. */
  nowMs(): number {
    return this.recorder.now().ms
  }

  note(text: string): void {
    this.recorder.note(text)
    this.#options.onNote?.(text)
  }

  /** To a region and back, in milliseconds. */
  roundTripMs(from: string, to: string): number {
    const link = (a: string, b: string) => this.cluster.links().find((one) => one.from === a && one.to === b)
    return (link(from, to)?.delayMs ?? 0) + (link(to, from)?.delayMs ?? 0)
  }

  /** The round trip to the nearest other region. */
  nextRoundTripMs(from: string): number {
    return Math.min(...this.others(from).map((to) => this.roundTripMs(from, to)))
  }

  /** A client as a service in that region has it. */
  client(region: string, options: Partial<ConnectOptions> = {}): Promise<Perigee> {
    return clientIn(this.cluster, region, { defaultTimeoutMs: DEADLINE_MS, ...options })
  }

  /** New clients and sessions in all regions, which begin to make calls. */
  async load(mix: Mix, visitors = noVisitors): Promise<Load> {
    const clients = new Map<string, Perigee>()
    for (const region of this.regions) clients.set(region, await this.client(region))
    for (const [name, client] of visitors) clients.set(name, client)
    const { seed, sessionsOn = true } = this.#options
    const { recorder } = this
    const load = new Load({ clients, recorder, firstSession: this.#sessions, seed, sessionsOn }, mix)
    this.#sessions += load.sessions
    this.#searching = load.sessionsOf('searcher').size > 0
    return load
  }

  /** Ends the calls and closes the clients. */
  async unload(load: Load): Promise<void> {
    await load.stop()
    for (const client of load.clients.values()) await client.close()
  }

  /** The calls that ended after a moment, whenever they began. */
  endedSince(ms: number): RecordedCalls {
    const { operations } = this.recorder.history()
    let first = operations.length
    while (first > 0 && (operations[first - 1] as Operation).end.ms >= ms) first -= 1
    return new RecordedCalls(operations.slice(first))
  }

  /** How many there are, each told in words: of calls that should not be. */
  told(calls: RecordedCalls): number {
    for (const call of calls.all.slice(0, TOLD_MAX)) this.note(operationInWords(call))
    return calls.count
  }

  /** Waits until the calls since a moment are such; gives the time it took since that moment, in milliseconds. */
  async until(
    what: string,
    sinceMs: number,
    condition: (calls: RecordedCalls) => boolean,
    withinMs = UNTIL_WITHIN_MS,
  ): Promise<number> {
    const explain = () => this.endedSince(this.nowMs() - DEADLINE_MS).reasons
    await waitFor(what, () => condition(this.endedSince(sinceMs)), {
      timeoutMs: withinMs,
      everyMs: 10,
      explain,
    })
    return this.nowMs() - sinceMs
  }

  /** Lets time pass since a moment, under load; gives the calls that have ended since. */
  async watch(sinceMs: number, forMs: number): Promise<RecordedCalls> {
    const enough = (calls: RecordedCalls) => calls.begunAfter(sinceMs + forMs).count > 0
    await this.until(`${forMs} ms to pass`, sinceMs, enough, forMs + UNTIL_WITHIN_MS)
    return this.endedSince(sinceMs)
  }

  /** Waits until every region follows one primary, and the Sentinels know of all. */
  settled(): Promise<void> {
    return this.scene.settled(this.cluster.state().regions.some(({ sentinel }) => sentinel !== undefined))
  }

  /** Waits until each region's clients are answered at home, several times in a row, their searches too. */
  async calm(regions: readonly string[] = this.regions, withinMs = WARM_WITHIN_MS): Promise<void> {
    for (const region of regions) {
      const since = this.nowMs() - DEADLINE_MS
      const calm = (calls: RecordedCalls) => {
        const here = calls.in(region)
        const last = (some: RecordedCalls) => some.all.slice(-WARM_CALLS)
        const home = (some: RecordedCalls) =>
          last(some).length === WARM_CALLS &&
          last(some).every(({ outcome }) => outcome.kind === 'ok' && outcome.answeredBy === region)
        const writes = last(here.writes)
        return (
          home(here.gets) &&
          (!this.#searching || home(here.searches)) &&
          writes.every(({ outcome }) => outcome.kind === 'ok')
        )
      }
      await this.until(`calls in ${region} to be answered there`, since, calm, withinMs)
    }
  }

  /** Waits until all is level, and judges everything since the beginning by values. */
  async verdict(): Promise<Verdict> {
    const { cluster, stores, regions, recorder } = this
    const unrest = await restOf(cluster, stores, regions)
    this.#watch.finish()
    const readings = new Map<string, DataReading>()
    for (const region of regions) readings.set(region, await stores.data(region))
    recorder.final(finalState(this.primary, readings, unrest))
    const verdict = judge(recorder.history())
    this.#suspicious = verdict.violations.length > 0
    return verdict
  }

  /**
   * Begins anew what is recorded and judged, so that a long run doesn't grow: everything is written once more, and what was
   * written before is never read again. Nobody may make calls meanwhile, and all must be level, as after {@link verdict}.
   */
  async nextAct(): Promise<void> {
    const { settings, claims } = this.#recorder.history()
    await this.#recorder.close()
    if (!this.#suspicious) rmSync(this.#recorder.file)
    this.#suspicious = true
    this.#acts += 1
    this.#recorder = new Recorder(join(this.#folder, `seed-${settings.seed}-${this.#acts}.jsonl`), settings)
    this.#recorder.stored([], claims)
    this.#watch.recordIn(this.#recorder)
    await using client = await this.client(this.primary)
    await this.#prime(client, this.primary)
  }

  /** @param keep whether history and logs stay; gives their folder then. */
  async stop({ keep }: { keep: boolean }): Promise<string | undefined> {
    this.#watch.stop()
    if (keep) {
      const isLogOrFolder = (path: string) => path.endsWith('.log') || statSync(path).isDirectory()
      cpSync(this.cluster.dir, join(this.#folder, 'logs'), { recursive: true, filter: isLogOrFolder })
    }
    await this.cluster.stop()
    await this.recorder.close()
    if (keep) return this.#folder
    rmSync(this.#folder, { recursive: true, force: true })
    return undefined
  }

  /** Of this act: how many writes were acknowledged, and the latest epoch of one. */
  get #acknowledged(): { readonly writes: number; readonly epoch: number } {
    const recorder = () => this.#recorder
    return {
      get writes() {
        return recorder().writes
      },
      get epoch() {
        return recorder().epoch
      },
    }
  }

  async #prime(client: Perigee, region: string): Promise<void> {
    const { recorder } = this
    const session = new DrivenSession(this.#sessions++, {
      clients: new Map([[region, client]]),
      recorder,
      sessionsOn: true,
    })
    const rest = { region, timeoutMs: 10_000, hurried: false, primary: false, replicated: false, k: 1 }
    const calls = allItems().map((item): PlannedCall => {
      return { kind: item.startsWith('entry:') ? 'set' : 'upsert', item, ...rest }
    })
    await session.run(calls, 10)
    await restOf(this.cluster, this.stores, this.regions)
  }
}

async function makeIndex(client: Perigee): Promise<string> {
  const index = client.index(INDEX, { namespace: NAMESPACE, model: MODEL })
  const wanted = { dimensions: DIMENSIONS, algorithm: 'flat' as const }
  const made = await waitFor('a first write', () => index.ensureIndex(wanted), { timeoutMs: 20_000 })
  return made.uid
}
