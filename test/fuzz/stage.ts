import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeToken, type SessionToken } from '@perigee/core'
import { AttributeType } from '@perigee/protocol'
import { chunk, createIndex } from '../support/chunks.ts'
import { bytes, startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import { Finding } from './fuzzer.ts'
import { INDEX, NAMESPACE } from './hints.ts'

/** How long a plain call may take while anything else goes on. */
const ALIVE_MS = 5_000
/** How long calls may take to end once nobody waits for them any more. */
const QUIET_MS = 20_000

/** A real sidecar of the primary's region, one of a replica's, with an index in them. */
export class Stage implements AsyncDisposable {
  readonly addresses: readonly string[]
  /** What a session had seen when all began. */
  readonly token: SessionToken
  readonly #regions: TwoRegions
  readonly #pids: readonly number[]

  private constructor(regions: TwoRegions, token: SessionToken) {
    this.#regions = regions
    this.token = token
    this.addresses = regions.cluster.state().regions.map(({ grpc }) => grpc)
    this.#pids = this.#sidecars().map(({ pid }) => pid)
  }

  static async start(): Promise<Stage> {
    const regions = await startTwoRegions({ sidecarEnv: { PERIGEE_LOG_LEVEL: 'error' } })
    const attributes = [
      { name: 'tag', type: AttributeType.TAG },
      { name: 'num', type: AttributeType.NUMERIC },
      { name: 'body', type: AttributeType.TEXT },
    ]
    await createIndex(regions.us, NAMESPACE, { name: INDEX, attributes })
    const chunks = Array.from({ length: 20 }, (_, i) =>
      chunk(`k${i}`, { metadata: { tag: `t${i}`, num: i } }),
    )
    const model = { id: 'test/model', revision: '1' }
    await regions.us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model, chunks })
    const { receipt } = await regions.us.cache.set({ namespace: NAMESPACE, key: 'k0', value: bytes('v') })
    return new Stage(regions, decodeToken(receipt?.sessionToken ?? new Uint8Array()))
  }

  /** Resident memory of each sidecar, bytes. */
  memory(): number[] {
    return this.#pids.map((pid) => {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024
    })
  }

  /** @throws Finding when a sidecar has ended, or doesn't answer a plain call. */
  async demandAlive(): Promise<void> {
    const now = this.#sidecars().map(({ pid }) => pid)
    if (now.join() !== this.#pids.join() || !this.#pids.every(isRunning)) throw new Finding('a sidecar ended')
    const { us, eu } = this.#regions
    for (const client of [us, eu]) {
      await client.cluster.getStatus({}, { timeoutMs: ALIVE_MS }).catch((error: Error) => {
        throw new Finding(`a sidecar doesn't answer a plain call within ${ALIVE_MS} ms: ${error.message}`)
      })
    }
  }

  /** @throws Finding when calls go on though nobody waits for them. */
  async demandQuiet(): Promise<void> {
    const inFlight = () => Promise.all(this.#sidecars().map(({ http }) => callsInFlight(http)))
    await waitFor('no calls in flight', async () => (await inFlight()).every((count) => count === 0), {
      timeoutMs: QUIET_MS,
      explain: async () => `calls in flight: ${(await inFlight()).join(', ')}`,
    }).catch((error: Error) => {
      throw new Finding(error.message)
    })
    await pause(1_000)
  }

  #sidecars() {
    return this.#regions.cluster
      .state()
      .regions.flatMap(({ sidecars }) => sidecars.map(({ pid, http }) => ({ pid: pid ?? 0, http })))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#regions[Symbol.asyncDispose]()
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function callsInFlight(http: string): Promise<number> {
  const text = await (await fetch(`http://${http}/metrics`)).text()
  return Number(/^perigee_calls_in_flight (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}
