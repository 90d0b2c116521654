import { LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, createIndex, getVersions, listVersions, MODEL } from '../support/chunks.ts'
import { RawClient } from '../support/clients.ts'
import { randomNumbers } from '../support/vectors.ts'
import { waitFor } from '../support/wait-for.ts'

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1']
const NAMESPACE = 'killed'
const INDEX = 'docs'
const CHUNKS = 5_000
const KILLS = 10
const BATCH = 100
const SEED = 20_251_123

let cluster: LocalCluster
const clients = new Map<string, RawClient>()

function client(region: string): RawClient {
  const known = clients.get(region)
  if (!known) throw new Error(`no client of ${region}`)
  return known
}

beforeAll(async () => {
  cluster = await LocalCluster.start({ regions: REGIONS, sentinel: false })
  for (const { name, grpc } of cluster.state().regions) clients.set(name, new RawClient(grpc))
  await waitFor('an index', () =>
    createIndex(client('us-east-1'), NAMESPACE, { name: INDEX }).then(() => true),
  )
})

afterAll(async () => {
  for (const each of clients.values()) each.close()
  await cluster?.stop()
})

const idOf = (i: number) => `chunk-${String(i).padStart(5, '0')}`
const allIds = Array.from({ length: CHUNKS }, (_, i) => idOf(i))

/** Until every region's index, by its own answer, holds exactly what the primary's data Redis does. */
async function allAgree(timeoutMs: number): Promise<Map<string, string>> {
  const truth = await getVersions(client('us-east-1'), NAMESPACE, INDEX, allIds)
  for (const region of REGIONS) {
    let state = ''
    await waitFor(
      `${region}'s index to hold what the primary does`,
      async () => {
        const { versions, regions } = await listVersions(client(region), NAMESPACE, INDEX)
        const wrong = [...truth].filter(([id, version]) => versions.get(id) !== version)
        const extra = [...versions.keys()].filter((id) => !truth.has(id))
        state = `${wrong.length} missing or old, ${extra.length} too many, answered by ${[...regions]}`
        return wrong.length === 0 && extra.length === 0 && [...regions].join() === region
      },
      { timeoutMs, everyMs: 200, explain: () => state },
    )
  }
  return truth
}

/** A write that is sent again until it is done. */
async function insist(write: () => Promise<unknown>): Promise<void> {
  await waitFor('a write to be done', () => write().then(() => true), { timeoutMs: 30_000, everyMs: 50 })
}

it('sidecars killed while chunks are written, updated and deleted leave every index as the primary is', async () => {
  const random = randomNumbers(SEED)
  const us = client('us-east-1')
  let round = 0
  let writing = true

  async function write(): Promise<void> {
    for (let from = 0; from < CHUNKS; from += BATCH) {
      const chunks = allIds.slice(from, from + BATCH).map((id) => chunk(id, { text: `${id} first` }))
      await insist(() => us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks }))
    }
    while (writing) {
      round += 1
      const from = Math.floor(random() * (CHUNKS - BATCH))
      const ids = allIds.slice(from, from + BATCH)
      const chunks = ids.map((id) => chunk(id, { text: `${id} ${round}` }))
      await insist(() => us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks }))
      const selection = { case: 'ids' as const, value: { values: ids.slice(0, BATCH / 4) } }
      if (round % 2 === 0)
        await insist(() => us.search.deleteChunks({ namespace: NAMESPACE, index: INDEX, selection }))
    }
  }

  async function kill(): Promise<void> {
    for (let i = 0; i < KILLS; i++) {
      const region = REGIONS[i % REGIONS.length] as string
      const pauseMs = 100 + random() * 900
      const until = performance.now() + pauseMs
      await waitFor('a random moment', () => performance.now() > until)
      await cluster.stopProcess(region, 'sidecar', 'SIGKILL')
      await cluster.startProcess(region, 'sidecar')
    }
    writing = false
  }

  await Promise.all([write(), kill()])
  const truth = await allAgree(30_000)
  expect(truth.size).toBeGreaterThan(CHUNKS / 2)
}, 240_000)

it('an index Redis that is killed and comes back empty is filled again, and nothing incomplete is answered meanwhile', async () => {
  const truth = await allAgree(30_000)
  const region = 'eu-west-1'
  await cluster.stopProcess(region, 'indexRedis', 'SIGKILL')
  await expect(
    client(region).search.listChunks({ namespace: NAMESPACE, index: INDEX, pageSize: 1 }),
  ).resolves.toMatchObject({ receipt: { fallback: true, region: 'us-east-1' } })
  await cluster.startProcess(region, 'indexRedis')
  await cluster.indexRedis(region).command('FLUSHALL')
  let answeredElsewhere = 0
  await waitFor(
    `${region} to answer by itself`,
    async () => {
      const { versions, regions } = await listVersions(client(region), NAMESPACE, INDEX)
      expect(versions.size).toBe(truth.size)
      if (regions.has('us-east-1')) answeredElsewhere += 1
      return !regions.has('us-east-1')
    },
    { timeoutMs: 30_000, everyMs: 50, explain: () => ({ answeredElsewhere }) },
  )
  await allAgree(30_000)
}, 120_000)
