import { setTimeout as pause } from 'node:timers/promises'
import {
  type Address,
  LocalCluster,
  type LocalClusterOptions,
  loginUrl,
  type RegionState,
  userOf,
} from '@perigee/local-cluster'
import { Perigee, text } from '@perigee/sdk'
import type { InputSource } from '../input/input.ts'
import type { Watched } from './cpu-time.ts'
import type { Place } from './place.ts'

const READY_WITHIN_MS = 20_000

/** Real regions that a comparison works in: real Redis, real sidecars. */
export class BenchRegions {
  readonly cluster: LocalCluster
  readonly #input: InputSource

  private constructor(cluster: LocalCluster, input: InputSource) {
    this.cluster = cluster
    this.#input = input
  }

  /** Starts them, and waits until a write through each region can be read there. One region, no distance, by default. */
  static async start(input: InputSource, options: LocalClusterOptions = {}): Promise<BenchRegions> {
    const regions = ['us-east-1']
    const cluster = await LocalCluster.start({ regions, distances: 'none', sentinel: false, ...options })
    const started = new BenchRegions(cluster, input)
    try {
      await Promise.all(cluster.layout.regions.map((region) => started.#ready(region)))
      return started
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** As sides in that region see it. */
  place(region = this.cluster.primary, more: Pick<Place, 'echo' | 'searched'> = {}): Place {
    const { cluster } = this
    const { layout, credentials } = cluster
    const { domain, regions } = cluster.state()
    const own = stateOf(cluster, region)
    const primaryState = stateOf(cluster, cluster.primary)
    const admin = userOf(credentials, 'admin')
    const names = regions.map(({ name }) => name)
    const redisAt = ({ host, port }: Address) => loginUrl(admin, `${host}:${port}`)
    const link = cluster.links().find(({ from, to }) => from === cluster.primary && to === region)
    return {
      region,
      sdk: { domain, regions: names, region, dns: own.dns },
      primarySdk: { domain, regions: names, region: cluster.primary, dns: primaryState.dns },
      grpc: own.grpc,
      dataRedis: redisAt(layout.dataRedisItself(region)),
      indexRedis: loginUrl(admin, own.indexRedis),
      farRedis: redisAt(layout.dataRedis(cluster.primary)),
      primaryRedis: redisAt(layout.dataRedisItself(cluster.primary)),
      oneWayMs: link?.delayMs ?? 0,
      localAddress: layout.host(region),
      input: this.#input,
      ...more,
    }
  }

  /** Processes of the region's sidecars. */
  sidecars(region = this.cluster.primary): readonly { readonly pid: number; readonly http: string }[] {
    return stateOf(this.cluster, region).sidecars.map(({ pid, http }) => {
      if (pid === null) throw new Error(`a sidecar of ${region} is gone`)
      return { pid, http }
    })
  }

  /** The processes of a region that do its work: its first sidecar and its two Redis. */
  pids(region: string): Watched {
    const { sidecar, dataRedis, indexRedis } = stateOf(this.cluster, region).pids
    if (!sidecar || !dataRedis || !indexRedis) throw new Error(`a process of ${region} is gone`)
    return { sidecar, dataRedis, indexRedis }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.stop()
  }

  async #ready(region: string): Promise<void> {
    const giveUp = performance.now() + READY_WITHIN_MS
    await using perigee = await Perigee.connect(this.place(region).sdk)
    const cache = perigee.session().cache('ready', { codec: text })
    for (;;) {
      try {
        await cache.set(region, 'yes')
        let from = ''
        await cache.get(region, { maxWaitMs: 2_000, onReceipt: (receipt) => (from = receipt.region) })
        if (from === region) return
      } catch (error) {
        if (performance.now() > giveUp) throw error
      }
      if (performance.now() > giveUp) throw new Error(`${region} doesn't answer for itself`)
      await pause(100)
    }
  }
}

function stateOf(cluster: LocalCluster, region: string): RegionState {
  const state = cluster.state().regions.find(({ name }) => name === region)
  if (!state) throw new Error(`there is no region ${region}`)
  return state
}
