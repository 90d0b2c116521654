import { LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CallError, RawClient } from '../support/clients.ts'
import { bytes, text } from '../support/two-regions.ts'
import { randomNumbers } from '../support/vectors.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'history'
const SESSIONS = 8
const DURATION_MS = 12_000
const SHARED_KEYS = 5
const SEED = Number(process.env.PERIGEE_TEST_SEED ?? Date.now() % 1_000_000)

let cluster: LocalCluster
let clients: RawClient[]

beforeAll(async () => {
  cluster = await LocalCluster.start({ distances: 'none', sentinel: false })
  for (const { from, to } of cluster.links()) await cluster.setLink(from, to, { delayMs: 15 })
  clients = cluster.state().regions.map(({ grpc }) => new RawClient(grpc))
  for (const client of clients) {
    await waitFor('a first write', () => client.cache.set({ namespace: NAMESPACE, key: 'warm' }))
  }
})

afterAll(async () => {
  for (const client of clients ?? []) client.close()
  await cluster?.stop()
})

/** Whether a version is earlier than another. */
function earlier(a: string, b: string): boolean {
  const [aEpoch = 0, aSeq = 0] = a.split('-').map(Number)
  const [bEpoch = 0, bSeq = 0] = b.split('-').map(Number)
  return aEpoch < bEpoch || (aEpoch === bEpoch && aSeq < bSeq)
}

/** One session that goes from region to region, and checks what it reads against what it has seen. */
class CheckedSession {
  readonly #own: string
  readonly #random: () => number
  readonly #newest = new Map<string, string>()
  /** Values that its own key may have: one, or more after writes whose outcome is unknown. */
  #possible = new Set<string | undefined>([undefined])
  #token: Uint8Array = new Uint8Array()
  #count = 0
  answered = 0
  readonly problems: string[] = []

  constructor(number: number) {
    this.#own = `own-${number}`
    this.#random = randomNumbers(SEED + number)
  }

  async step(): Promise<void> {
    const client = clients[Math.floor(this.#random() * clients.length)] as RawClient
    const key = this.#random() < 0.6 ? this.#own : `shared-${Math.floor(this.#random() * SHARED_KEYS)}`
    const write = this.#random() < 0.4
    try {
      await (write ? this.#write(client, key) : this.#read(client, key))
      this.answered += 1
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      // Nothing here loses data, so only being unavailable is allowed.
      if (!['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.status)) {
        this.problems.push(`${error.status} ${error.details.reason}: ${error.message}`)
      }
    }
  }

  async #write(client: RawClient, key: string): Promise<void> {
    const value = `${this.#own} ${this.#count++}`
    const request = { namespace: NAMESPACE, key, value: bytes(value), options: { sessionToken: this.#token } }
    try {
      const { version, receipt } = await client.cache.set(request, { timeoutMs: 1500 })
      this.#saw(key, version)
      this.#token = receipt?.sessionToken ?? this.#token
      if (key === this.#own) this.#possible = new Set([value])
    } catch (error) {
      const certain =
        error instanceof CallError && ['NO_PRIMARY', 'DATA_UNAVAILABLE'].includes(error.details.reason ?? '')
      if (key === this.#own && !certain) this.#possible.add(value)
      throw error
    }
  }

  async #read(client: RawClient, key: string): Promise<void> {
    const request = { namespace: NAMESPACE, key, options: { sessionToken: this.#token } }
    const { entry, receipt } = await client.cache.get(request, { timeoutMs: 1500 })
    this.#token = receipt?.sessionToken ?? this.#token
    const value = text(entry?.value)
    if (key === this.#own && !this.#possible.has(value)) {
      this.problems.push(`${key} was ${value}, not one of ${[...this.#possible]} (${receipt?.region})`)
    }
    if (entry) this.#saw(key, entry.version)
    else if (this.#newest.has(key)) this.problems.push(`${key} was gone at ${receipt?.region}`)
  }

  #saw(key: string, version: string): void {
    const newest = this.#newest.get(key)
    if (newest && earlier(version, newest))
      this.problems.push(`${key} went back from ${newest} to ${version}`)
    else this.#newest.set(key, version)
  }
}

it(`sessions that go from region to region read their own writes and never go back, while Redis and sidecars are killed (seed ${SEED})`, async () => {
  const sessions = Array.from({ length: SESSIONS }, (_, i) => new CheckedSession(i))
  const endMs = Date.now() + DURATION_MS
  const working = sessions.map(async (session) => {
    while (Date.now() < endMs) await session.step()
  })

  const random = randomNumbers(SEED)
  const regions = cluster.state().regions.map(({ name }) => name)
  while (Date.now() < endMs - 3000) {
    const region = regions[Math.floor(random() * regions.length)] as string
    const name = random() < 0.5 ? 'dataRedis' : 'sidecar'
    await cluster.stopProcess(region, name, 'SIGKILL')
    await cluster.startProcess(region, name)
  }
  await Promise.all(working)

  expect(sessions.flatMap((session) => session.problems)).toEqual([])
  const answered = sessions.reduce((sum, session) => sum + session.answered, 0)
  expect(answered).toBeGreaterThan(SESSIONS * 20)
})
