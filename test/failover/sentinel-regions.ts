import { setTimeout as pause } from 'node:timers/promises'
import { type Position, parsePosition } from '@perigee/core'
import { LocalCluster, type LocalClusterOptions } from '@perigee/local-cluster'
import { CallError, RawClient } from '../support/clients.ts'
import { sentinelsKnowAll } from '../support/sentinels.ts'
import { bytes } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

/** Three regions whose Sentinels fail over, with the gate, and a client of each one's sidecar. */
export interface SentinelRegions {
  readonly cluster: LocalCluster
  readonly regions: readonly string[]
  client(region: string): RawClient
  /** The regions that a session in the first one may fail over to. */
  others(region: string): readonly string[]
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts them, and waits until the Sentinels could fail over and a write goes through every region. */
export async function startSentinelRegions(options: LocalClusterOptions = {}): Promise<SentinelRegions> {
  const cluster = await LocalCluster.start({
    distances: 'none',
    topology: 'sentinel',
    gate: true,
    ...options,
  })
  const clients = new Map(cluster.state().regions.map(({ name, grpc }) => [name, new RawClient(grpc)]))
  const regions = [...clients.keys()]
  const client = (region: string) => {
    const found = clients.get(region)
    if (!found) throw new Error(`there is no region ${region}`)
    return found
  }
  const started = {
    ...{ cluster, regions, client },
    others: (region: string) => regions.filter((name) => name !== region),
    async [Symbol.asyncDispose]() {
      for (const one of clients.values()) one.close()
      await cluster.stop()
    },
  }
  try {
    await settled(started)
  } catch (error) {
    await started[Symbol.asyncDispose]()
    throw error
  }
  return started
}

/** Waits until all is as it should be: one primary that all name, replicas that follow, Sentinels that know all. */
export async function settled({ cluster, regions, client }: SentinelRegions): Promise<void> {
  const states = async () =>
    Promise.all(
      regions.map(async (region) => {
        const { primaryRegion, regions: seen } = await client(region).cluster.getStatus({})
        return {
          region,
          primaryRegion,
          seen: seen.map(({ role, state, position }) => [role, state, position]),
        }
      }),
    )
  const options = { timeoutMs: 60_000, everyMs: 100 }
  if (cluster.state().regions.some(({ sentinel }) => sentinel !== undefined)) {
    await waitFor('Sentinels that know each other and all replicas', () => sentinelsKnowAll(cluster), options)
  }
  await waitFor(
    'a write through every region, readable in all of them',
    async () => {
      for (const region of regions) {
        const value = bytes(region)
        const { receipt } = await client(region).cache.set({ namespace: 'settled', key: region, value })
        const sessionToken = receipt?.sessionToken ?? new Uint8Array()
        for (const other of regions) {
          const read = {
            namespace: 'settled',
            key: region,
            options: { sessionToken, maxWait: { seconds: 1n } },
          }
          const got = await client(other).cache.get(read)
          if (got.receipt?.region !== other) return false
        }
      }
      return true
    },
    { ...options, explain: states },
  )
}

/** The newest position that a region's data Redis holds. */
export async function clockOf({ cluster }: SentinelRegions, region: string): Promise<Position> {
  const clock = await cluster.dataRedis(region).command('GET', 'pg:{0}:clock')
  return parsePosition(String(clock)) ?? { epoch: 0, seq: 0 }
}

/** Makes one region's replica the one that Sentinels choose, if they can. */
export async function preferReplica({ cluster, regions }: SentinelRegions, region: string): Promise<void> {
  await cluster.dataRedis(region).command('CONFIG', 'SET', 'replica-priority', '1')
  await waitFor(
    'all Sentinels to prefer it',
    async () => {
      const rows = regions.map(
        async (name) => (await cluster.sentinel(name).command('SENTINEL', 'REPLICAS', 'pg')) as string[][],
      )
      return (await Promise.all(rows)).every((replicas) =>
        replicas.some((row) => row[row.indexOf('slave-priority') + 1] === '1'),
      )
    },
    { timeoutMs: 30_000, everyMs: 200 },
  )
}

/** A write that was tried. */
export interface TriedWrite {
  readonly region: string
  readonly key: string
  readonly startedMs: number
  readonly endedMs: number
  /** Set when it was acknowledged. */
  readonly version?: string
  readonly token?: Uint8Array
  /** Set when it wasn't: reason or status. */
  readonly failed?: string
}

export const NAMESPACE = 'failover'

/** The longest that Sentinels take: an election that nobody won is held again after twice their failover-timeout. */
export const ELECTED_MS = 60_000

function failureOf(error: unknown): string {
  return error instanceof CallError ? (error.details.reason ?? error.status) : String(error)
}

/** Writes in every region, one after the other, each a key of its own, until told to stop. */
export class Writers {
  readonly tried: TriedWrite[] = []
  readonly #regions: SentinelRegions
  readonly #loops: Promise<void>[]
  #stopping = false
  #serial = 0

  constructor(regions: SentinelRegions, { everyMs = 20, prefix = 'w' } = {}) {
    this.#regions = regions
    this.#loops = regions.regions.map((region) => this.#write(region, prefix, everyMs))
  }

  get acknowledged(): TriedWrite[] {
    return this.tried.filter(({ version }) => version !== undefined)
  }

  /** Waits for a write that was begun after `ms` and acknowledged, and tells how long after `ms` that was. */
  async firstAfter(
    ms: number,
    options: { region?: string; timeoutMs?: number } = {},
  ): Promise<TriedWrite & { tookMs: number }> {
    const { region, timeoutMs = ELECTED_MS } = options
    const found = await waitFor(
      'a write to be acknowledged again',
      () =>
        this.acknowledged.find(
          (write) => write.startedMs > ms && (region === undefined || write.region === region),
        ),
      { timeoutMs, explain: () => this.tried.slice(-5) },
    )
    return { ...found, tookMs: found.endedMs - ms }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#loops)
  }

  async #write(region: string, prefix: string, everyMs: number): Promise<void> {
    const client = this.#regions.client(region)
    while (!this.#stopping) {
      const key = `${prefix}-${region}-${this.#serial++}`
      const startedMs = performance.now()
      const outcome = await client.cache
        .set({ namespace: NAMESPACE, key, value: bytes(key) }, { timeoutMs: 1500 })
        .then(
          ({ version, receipt }) => ({ version, token: receipt?.sessionToken ?? new Uint8Array() }),
          (error: unknown) => ({ failed: failureOf(error) }),
        )
      this.tried.push({ region, key, startedMs, endedMs: performance.now(), ...outcome })
      await pause(everyMs)
    }
  }
}
