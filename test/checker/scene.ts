import { setTimeout as pause } from 'node:timers/promises'
import { redisCommand } from '@perigee/embedded-redis'
import type { LocalCluster } from '@perigee/local-cluster'
import type { Perigee } from '@perigee/sdk'
import { sentinelsKnowAll } from '../support/sentinels.ts'
import { randomNumbers } from '../support/vectors.ts'
import { waitFor } from '../support/wait-for.ts'
import type { Weather } from './weather.ts'

const SETTLED_WITHIN_MS = 90_000
const TAKEN_OVER_WITHIN_MS = 60_000
const LEASE_US = 2_000_000

/** What a disturbance has to work with. */
export interface SceneOptions {
  readonly cluster: LocalCluster
  readonly regions: readonly string[]
  /** A client in each region. */
  readonly clients: ReadonlyMap<string, Perigee>
  readonly weather: Weather
  readonly seed: number
  /** Takes down what a region's data Redis has on disk, before it is harmed. */
  readonly readLife: (region: string) => void
  /** The writes that were acknowledged by now: how many, and their latest epoch. */
  readonly acknowledged: { readonly writes: number; readonly epoch: number }
  /** Tells what was done. */
  readonly note: (text: string) => void
}

/** The regions as a disturbance sees them. */
export class Scene {
  readonly cluster: LocalCluster
  readonly regions: readonly string[]
  readonly clients: ReadonlyMap<string, Perigee>
  readonly weather: Weather
  readonly readLife: (region: string) => void
  readonly note: (text: string) => void
  readonly #acknowledged: SceneOptions['acknowledged']
  readonly #random: () => number

  constructor(options: SceneOptions) {
    this.cluster = options.cluster
    this.regions = options.regions
    this.clients = options.clients
    this.weather = options.weather
    this.readLife = options.readLife
    this.note = options.note
    this.#acknowledged = options.acknowledged
    this.#random = randomNumbers(options.seed + 1)
  }

  get primary(): string {
    return this.cluster.state().primary
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1))
  }

  oneOf<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)] as T
  }

  /** Lets time pass, a drawn number of milliseconds. */
  pause(leastMs: number, mostMs: number): Promise<void> {
    return pause(this.between(leastMs, mostMs))
  }

  /** Waits until so many more writes were acknowledged, at most so long. */
  async acknowledged(count: number, withinMs: number): Promise<void> {
    const wanted = this.#acknowledged.writes + count
    const endMs = performance.now() + withinMs
    while (this.#acknowledged.writes < wanted && performance.now() < endMs) await pause(5)
  }

  /** Kills a data Redis, and takes down what it had. */
  async kill(region: string): Promise<void> {
    await this.cluster.stopProcess(region, 'dataRedis', 'SIGKILL')
    this.readLife(region)
  }

  /**
   * Stops a data Redis in the midst of its work, with a renewal of its lease on the way to it, as its sidecar might just have
   * sent one. Must not prolong anything once the lease is over.
   */
  async freeze(region: string): Promise<void> {
    const { cluster } = this
    const clock = 'pg:{0}:clock'
    const status = await cluster.dataRedis(region).command('FCALL_RO', 'pg1_status', '1', clock)
    const [epoch = ''] = status as string[]
    await cluster.stopProcess(region, 'dataRedis', 'SIGSTOP')
    const nowUs = Date.now() * 1000
    const renewal = ['FCALL', 'pg1_renew', '1', clock, epoch, String(nowUs + LEASE_US), String(nowUs)]
    const user = { name: 'admin', password: cluster.credentials.admin }
    const address = { ...cluster.layout.dataRedisItself(region), user }
    redisCommand(address, renewal, { timeoutMs: 2 * TAKEN_OVER_WITHIN_MS }).catch(() => undefined)
  }

  async start(region: string): Promise<void> {
    await this.cluster.startProcess(region, 'dataRedis')
    await keepWholeLife(this.cluster, region)
  }

  /** Promotes a region by force, as often as it takes. */
  async promote(region: string): Promise<void> {
    const { cluster } = this.clients.get(region) as Perigee
    const once = async () => {
      let done = false
      const steps = cluster.promote(region, { region, force: true, timeoutMs: TAKEN_OVER_WITHIN_MS })
      for await (const step of steps) done = step.done
      return done
    }
    await waitFor(`${region} to be promoted`, once, { timeoutMs: TAKEN_OVER_WITHIN_MS, everyMs: 500 })
  }

  /** The latest epoch in which a write was acknowledged. */
  get epoch(): number {
    return this.#acknowledged.epoch
  }

  /** Waits until a write was acknowledged in a later epoch: another region takes writes by then. */
  async epochAfter(epoch: number): Promise<void> {
    const options = { timeoutMs: TAKEN_OVER_WITHIN_MS, everyMs: 20 }
    await waitFor('a write in another epoch', () => this.epoch > epoch, options)
  }

  /** Waits until another region is the primary. */
  async takenOverFrom(old: string): Promise<void> {
    const explain = () => ({ old, primary: this.primary })
    const options = { timeoutMs: TAKEN_OVER_WITHIN_MS, everyMs: 100, explain }
    await waitFor(`another region to take over from ${old}`, () => this.primary !== old, options)
    this.note(`${this.primary} has taken over from ${old}`)
  }

  /** Waits until every other region follows the primary, and the Sentinels, if they count, know of all. */
  async settled(sentinels: boolean): Promise<void> {
    let why = ''
    const check = async () => {
      const primary = this.primary
      for (const region of this.regions) {
        const info = await infoOf(this.cluster, region)
        const follows = info.get('role') === 'slave' && info.get('master_link_status') === 'up'
        if (region === primary ? info.get('role') !== 'master' : !follows) {
          why = `${region}, with ${primary} as the primary: ${info.get('role')}, ${info.get('master_link_status')}`
          return false
        }
      }
      if (!sentinels) return true
      why = 'the Sentinels do not know of all'
      return sentinelsKnowAll(this.cluster)
    }
    const options = { timeoutMs: SETTLED_WITHIN_MS, everyMs: 200, explain: () => why }
    await waitFor('all regions to follow one primary', check, options)
  }
}

/** From now on a Redis doesn't rewrite its append-only file: it is to hold all that was ever done. */
export async function keepWholeLife(cluster: LocalCluster, region: string): Promise<void> {
  await cluster.dataRedis(region).command('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '0')
}

async function infoOf(cluster: LocalCluster, region: string): Promise<Map<string, string>> {
  const text = String(await cluster.dataRedis(region).command('INFO', 'replication'))
  return new Map(text.split('\r\n').map((line) => line.split(':') as [string, string]))
}
