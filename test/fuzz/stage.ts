import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeToken, type SessionToken } from '@perigee/core'
import { AttributeType } from '@perigee/protocol'
import { chunk, createIndex, MODEL } from '../support/chunks.ts'
import type { RawClient } from '../support/clients.ts'
import { bytes, startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import { Callers } from './callers.ts'
import { Finding } from './fuzzer.ts'
import { CANARY, HIDDEN, INDEX, KEYS, NAMESPACE } from './hints.ts'

/** How long a plain call may take while anything else goes on. */
const ALIVE_MS = 5_000
/** How long it may take, where others' work leaves a sidecar no processor time. */
const STARVED_MS = 60_000
/** A machine that is busy with others' work is no finding. */
const PATIENT = { PERIGEE_REDIS_TIMEOUT_MS: '5000', PERIGEE_LEASE_MS: '30000' }
/** How long calls may take to end once nobody waits for them any more. */
const QUIET_MS = 20_000

/** Linux's, in `/proc`. */
const MS_A_TICK = 10

/** A real sidecar of the primary's region, one of a replica's, with an index in them. */
export class Stage implements AsyncDisposable {
  readonly addresses: readonly string[]
  /** What a session had seen when all began. */
  readonly token: SessionToken
  readonly callers: Callers
  readonly #regions: TwoRegions
  readonly #pids: readonly number[]

  private constructor(regions: TwoRegions, token: SessionToken, callers: Callers) {
    this.callers = callers
    this.#regions = regions
    this.token = token
    this.addresses = regions.cluster.state().regions.map(({ grpc }) => grpc)
    this.#pids = this.#sidecars().map(({ pid }) => pid)
  }

  static async start(): Promise<Stage> {
    const callers = new Callers()
    const sidecarEnv = { PERIGEE_LOG_LEVEL: 'error', ...PATIENT, ...callers.settings }
    const regions = await startTwoRegions({ sidecarEnv }, callers.operator)
    const attributes = [
      { name: 'tag', type: AttributeType.TAG },
      { name: 'num', type: AttributeType.NUMERIC },
      { name: 'body', type: AttributeType.TEXT },
    ]
    await createIndex(regions.us, NAMESPACE, { name: INDEX, attributes })
    await hideCanary(regions.us)
    const chunks = Array.from({ length: KEYS }, (_, i) =>
      chunk(`k${i}`, { metadata: { tag: `t${i}`, num: i } }),
    )
    await regions.us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks })
    const { receipt } = await regions.us.cache.set({ namespace: NAMESPACE, key: 'k0', value: bytes('v') })
    return new Stage(regions, decodeToken(receipt?.sessionToken ?? new Uint8Array()), callers)
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
    for (const [i, client] of [us, eu].entries()) await demandAnswer(client, now[i] as number)
  }

  /** @throws Finding when calls go on though nobody waits for them. */
  async demandQuiet(): Promise<void> {
    const { operator } = this.callers
    const inFlight = () => Promise.all(this.#sidecars().map(({ http }) => callsInFlight(http, operator)))
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
    this.callers.removeFiles()
  }
}

/** @throws Finding when a sidecar that had time for it, or a minute, hasn't answered a plain call. */
async function demandAnswer(client: RawClient, pid: number): Promise<void> {
  const untilMs = performance.now() + STARVED_MS
  for (;;) {
    const busyMs = processorMs(pid)
    try {
      await client.cluster.getStatus({}, { timeoutMs: ALIVE_MS })
      return
    } catch (error) {
      const starved = processorMs(pid) - busyMs < ALIVE_MS / 2
      if (starved && performance.now() < untilMs) continue
      const { message } = error as Error
      throw new Finding(`a sidecar doesn't answer a plain call within ${ALIVE_MS} ms: ${message}`)
    }
  }
}

/** What a process has had of the processors. */
function processorMs(pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11)
  return (Number(user) + Number(system)) * MS_A_TICK
}

/** What is another's: a value, a key, an index, a chunk. */
async function hideCanary(client: RawClient): Promise<void> {
  const namespace = HIDDEN
  await createIndex(client, namespace, { name: INDEX })
  await createIndex(client, namespace, { name: CANARY })
  const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`)
  const chunks = keys.map((id) => chunk(id, { text: CANARY }))
  await client.search.upsertChunks({ namespace, index: INDEX, model: MODEL, chunks })
  await client.cache.setMany({ namespace, entries: keys.map((key) => ({ key, value: bytes(CANARY) })) })
  await client.cache.set({ namespace, key: CANARY, value: bytes('v') })
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function callsInFlight(http: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const text = await (await fetch(`http://${http}/metrics`, { headers })).text()
  return Number(/^perigee_calls_in_flight (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}
