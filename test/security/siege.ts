import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { LocalCluster } from '@perigee/local-cluster'
import { RawClient } from '../support/clients.ts'
import { MultiplexClient } from '../support/multiplex-client.ts'
import { waitFor } from '../support/wait-for.ts'

const MIB = 1024 * 1024
const BESIDE_EVERY_MS = 25
const TIMEOUT_MS = 10_000
/** A machine that is busy with the attack itself, or with other tests, is no damage. */
const PATIENT = { PERIGEE_REDIS_TIMEOUT_MS: '5000', PERIGEE_LEASE_MS: '30000' }

/** What an attack did to the sidecar and to somebody else. */
export interface Damage {
  /** How much more memory the process had at the most than before, MiB. */
  readonly grownMib: number
  /** And how much once it was over. */
  readonly keptMib: number
  /** The most that the sidecar said it kept of requests and answers, MiB. */
  readonly bytesInFlightMib: number
  /** The calls that another client made meanwhile, and what became of those that failed. */
  readonly calls: number
  readonly failures: readonly string[]
}

/** A real sidecar of one region, for attacks from addresses of their own, with a client beside them that must not notice. */
export class Siege implements AsyncDisposable {
  readonly #cluster: LocalCluster

  private constructor(cluster: LocalCluster) {
    this.#cluster = cluster
  }

  static async start(sidecarEnv: Readonly<Record<string, string>> = {}): Promise<Siege> {
    const cluster = await LocalCluster.start({
      regions: ['us-east-1'],
      sentinel: false,
      sidecarEnv: { ...PATIENT, ...sidecarEnv },
    })
    const siege = new Siege(cluster)
    using client = new RawClient(siege.address)
    await waitFor('a first write', () => client.cache.set({ namespace: 'siege', key: 'kept' }))
    // What only the first calls need, and keep.
    await siege.during(() => pause(1500))
    return siege
  }

  /** `host:port` of gRPC. */
  get address(): string {
    return this.#region.grpc
  }

  get host(): string {
    return this.address.split(':')[0] as string
  }

  get port(): number {
    return Number(this.address.split(':')[1])
  }

  /** Base URL of the HTTP port. */
  get http(): string {
    return `http://${this.#region.http}`
  }

  /** Attacks, while another client goes on calling. */
  async during(attack: () => Promise<unknown>): Promise<Damage> {
    const beforeMib = this.#memoryMib()
    let peakMib = beforeMib
    let bytesInFlightMib = 0
    const failures: string[] = []
    let calls = 0
    let over = false
    using unary = new RawClient(this.address)
    using multiplex = new MultiplexClient(this.address)
    const get = { namespace: 'siege', key: 'kept' }
    const beside = async () => {
      while (!over) {
        const each = await Promise.allSettled([
          unary.cache.get(get, { timeoutMs: TIMEOUT_MS }),
          multiplex.call({ request: { case: 'get', value: get }, timeoutMs: TIMEOUT_MS }),
        ])
        for (const outcome of each) if (outcome.status === 'rejected') failures.push(String(outcome.reason))
        calls += each.length
        peakMib = Math.max(peakMib, this.#memoryMib())
        bytesInFlightMib = Math.max(bytesInFlightMib, await this.bytesInFlightMib())
        await pause(BESIDE_EVERY_MS)
      }
    }
    const others = beside()
    try {
      await attack()
    } finally {
      over = true
      await others
    }
    const keptMib = this.#memoryMib() - beforeMib
    return { grownMib: peakMib - beforeMib, keptMib, bytesInFlightMib, calls, failures }
  }

  /** What the sidecar says that it keeps of requests and answers. */
  async bytesInFlightMib(): Promise<number> {
    const metrics = await (await fetch(`${this.http}/metrics`)).text()
    return Number(/^perigee_bytes_in_flight (\S+)/m.exec(metrics)?.[1]) / MIB
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster.stop()
  }

  get #region() {
    const [region] = this.#cluster.state().regions
    if (!region) throw new Error('there is no region')
    return region
  }

  #memoryMib(): number {
    const status = readFileSync(`/proc/${this.#region.pids.sidecar}/status`, 'utf8')
    return (Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024) / MIB
  }
}
