import { setTimeout as pause } from 'node:timers/promises'
import { Durability } from '@perigee/protocol'
import { type SentinelRegions, settled, startSentinelRegions } from '../failover/sentinel-regions.ts'
import type { CallError } from '../support/clients.ts'
import { bytes, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

export interface KillsOptions {
  /** REPLICATED writes that must be acknowledged before it is over. */
  readonly writes: number
  /** How often the primary's Redis is killed meanwhile. */
  readonly kills: number
  readonly onProgress?: (message: string) => void
}

/** How a primary's Redis was killed, and how long it took until the next write was acknowledged. */
interface Kill {
  readonly how: 'a replica takes over' | 'restarted at once without the last second'
  readonly region: string
  readonly secondsWithoutWrites: number
}

/** What has become of the writes of one durability. */
export interface Fate {
  readonly acknowledged: number
  /** By reason or status. */
  readonly failed: ReadonlyMap<string, number>
  /** Acknowledged, and not as acknowledged in some region at the end. */
  readonly lost: readonly string[]
}

export interface KillsReport {
  readonly kills: readonly Kill[]
  readonly replicated: Fate
  /** The same writes beside them with PRIMARY, which may lose the newest: what the kills would cost. */
  readonly primary: Fate
  /** Positions that two acknowledged writes were given. */
  readonly issuedTwice: readonly string[]
}

const NAMESPACE = 'kills'
const REPLICATED_AT_ONCE = 24
const PRIMARY_AT_ONCE = 3
const PATIENCE_MS = 3000
const PAGE = 500
const SECOND_MS = 1000
const MOMENT_MS = 200

interface Acknowledged {
  readonly key: string
  readonly version: string
  readonly endedMs: number
}

/**
 * Writes through every region while the primary's Redis is killed again and again: in turn one dies until a replica has
 * taken over, and one comes back at once without the last second of its AOF. Meanwhile replicas are behind. Then looks for
 * all that was acknowledged, in every region.
 */
export async function writeUnderKills({
  writes,
  kills,
  onProgress = () => {},
}: KillsOptions): Promise<KillsReport> {
  await using regions = await startSentinelRegions({ distances: 'real' })
  const loads = {
    replicated: new Load(regions, Durability.REPLICATED, REPLICATED_AT_ONCE),
    primary: new Load(regions, Durability.PRIMARY, PRIMARY_AT_ONCE),
  }
  const { replicated } = loads
  const done: Kill[] = []
  try {
    for (let i = 0; i < kills; i++) {
      await replicated.reaches(Math.floor(((i + 0.5) * writes) / kills))
      const killed = await kill(regions, replicated, i % 2 === 0)
      done.push(killed)
      const { how, region, secondsWithoutWrites } = killed
      const count = replicated.acknowledged.length
      onProgress(
        `${count} acknowledged; killed at ${region}, ${how}: ${secondsWithoutWrites.toFixed(1)} s without writes`,
      )
      await settled(regions)
    }
    await replicated.reaches(writes)
  } finally {
    await Promise.all(Object.values(loads).map((load) => load.stop()))
  }
  await settled(regions)
  const all = [...loads.replicated.acknowledged, ...loads.primary.acknowledged].map(({ version }) => version)
  return {
    kills: done,
    replicated: await loads.replicated.fate(),
    primary: await loads.primary.fate(),
    issuedTwice: all.filter((version, i) => all.indexOf(version) !== i),
  }
}

/**
 * Kills it when one replica is a second behind and, if another is to take over, the other one a moment: what neither has can
 * only be lost, and of those that can take over one lacks what was acknowledged.
 */
async function kill(regions: SentinelRegions, load: Load, takeOver: boolean): Promise<Kill> {
  const { cluster } = regions
  const region = await waitFor('one primary', () => cluster.primary)
  const others = regions.others(region)
  const [behind = '', other = ''] = takeOver ? others : others.toReversed()
  const link = async (to: string, mode: 'cut' | 'open') => {
    await Promise.all([cluster.setLink(region, to, { mode }), cluster.setLink(to, region, { mode })])
  }
  const keepBytes = cluster.aofBytes(region)
  await link(behind, 'cut')
  await pause(SECOND_MS - MOMENT_MS)
  if (takeOver) await link(other, 'cut')
  await pause(MOMENT_MS)
  const atMs = performance.now()
  if (takeOver) await cluster.stopProcess(region, 'dataRedis', 'SIGKILL')
  else await cluster.restartRedis(region, { aof: 'cut', keepBytes })
  await Promise.all([link(behind, 'open'), link(other, 'open')])
  const secondsWithoutWrites = await load.goesOnAfter(atMs)
  if (takeOver) await cluster.startProcess(region, 'dataRedis')
  const how = takeOver ? 'a replica takes over' : 'restarted at once without the last second'
  return { how, region, secondsWithoutWrites }
}

/** Writes of one durability, so many at once, each to a key of its own. */
class Load {
  readonly acknowledged: Acknowledged[] = []
  readonly #regions: SentinelRegions
  readonly #durability: Durability
  readonly #failed = new Map<string, number>()
  readonly #loops: Promise<void>[]
  #stopping = false
  #serial = 0

  constructor(regions: SentinelRegions, durability: Durability, atOnce: number) {
    this.#regions = regions
    this.#durability = durability
    const regionOf = (i: number) => regions.regions[i % regions.regions.length] ?? ''
    this.#loops = Array.from({ length: atOnce }, (_, i) => this.#write(regionOf(i)))
  }

  async reaches(count: number): Promise<void> {
    await waitFor(`${count} acknowledged writes`, () => this.acknowledged.length >= count, {
      timeoutMs: 120_000 + count * 20,
      explain: () => ({ acknowledged: this.acknowledged.length, failed: [...this.#failed] }),
    })
  }

  /** Waits for a write that was sent after a moment, and tells after how many seconds it was acknowledged. */
  async goesOnAfter(ms: number): Promise<number> {
    // Whatever was on its way may still be acknowledged: what counts comes later than any pause between answers.
    const next = await waitFor(
      'writes to be acknowledged again',
      () => this.acknowledged.find(({ endedMs }) => endedMs > ms + 500),
      { timeoutMs: 60_000, explain: () => [...this.#failed] },
    )
    return (next.endedMs - ms) / 1000
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#loops)
  }

  /** Looks for every acknowledged write in every region. */
  async fate(): Promise<Fate> {
    const lost = new Set<string>()
    for (const region of this.#regions.regions) {
      for (const key of await this.#missing(region)) lost.add(key)
    }
    return { acknowledged: this.acknowledged.length, failed: this.#failed, lost: [...lost] }
  }

  /** Keys that a region doesn't answer as they were acknowledged; it has settled, so nothing is under way. */
  async #missing(region: string): Promise<string[]> {
    const missing: string[] = []
    for (let from = 0; from < this.acknowledged.length; from += PAGE) {
      const page = this.acknowledged.slice(from, from + PAGE)
      const { entries, receipt } = await this.#regions
        .client(region)
        .cache.getMany({ namespace: NAMESPACE, keys: page.map(({ key }) => key) })
      if (receipt?.region !== region) throw new Error(`${receipt?.region} answered for ${region}`)
      const found = new Map(entries.map((entry) => [entry.key, entry]))
      for (const { key, version } of page) {
        const entry = found.get(key)
        if (text(entry?.value) !== key || entry?.version !== version) missing.push(key)
      }
    }
    return missing
  }

  async #write(region: string): Promise<void> {
    const client = this.#regions.client(region)
    while (!this.#stopping) {
      const key = `${this.#durability}-${region}-${this.#serial++}`
      const request = {
        namespace: NAMESPACE,
        key,
        value: bytes(key),
        options: { durability: this.#durability },
      }
      try {
        const { version } = await client.cache.set(request, { timeoutMs: PATIENCE_MS })
        this.acknowledged.push({ key, version, endedMs: performance.now() })
      } catch (error) {
        const { details, status } = error as CallError
        const why = details?.reason ?? status ?? String(error)
        this.#failed.set(why, (this.#failed.get(why) ?? 0) + 1)
        await pause(20)
      }
    }
  }
}
