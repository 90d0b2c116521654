import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage } from '../support/chunks.ts'
import type { RawClient } from '../support/clients.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { randomNumbers, randomUnitVector } from '../support/vectors.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'drift'
const INDEX = 'docs'
const DIMENSIONS = 96

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions({ sidecarEnv: { PERIGEE_DRIFT_MS: '200' } })
  await createIndex(regions.us, NAMESPACE, { name: INDEX, dimensions: DIMENSIONS })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

/** A stand-in for an embedding model, whose vectors share a direction as real ones do. */
function model(seed: number): () => Float32Array {
  const random = randomNumbers(seed)
  const shared = randomUnitVector(DIMENSIONS, random)
  return () => {
    const own = randomUnitVector(DIMENSIONS, random)
    const mixed = shared.map((x, i) => 0.45 * x + 0.9 * (own[i] ?? 0))
    return mixed.map((x) => x / Math.hypot(...mixed))
  }
}

async function upsert(client: RawClient, make: () => Float32Array, from: number, count: number) {
  const chunks = Array.from({ length: count }, (_, i) =>
    chunk(`c${from + i}`, { vector: vectorMessage(make()) }),
  )
  const { receipt } = await client.search.upsertChunks({
    namespace: NAMESPACE,
    index: INDEX,
    model: MODEL,
    chunks,
  })
  return receipt?.warnings ?? []
}

/** The values of a metric of the index, by their other labels. */
async function metric(region: string, name: string): Promise<Map<string, number>> {
  const http = regions.cluster.state().regions.find((one) => one.name === region)?.http
  const text = await (await fetch(`http://${http}/metrics`)).text()
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, labels, value] = /^(?:[a-z_]+)\{(.*)\} (\S+)$/.exec(line) ?? []
    if (!line.startsWith(`${name}{`) || !labels?.includes(`index="${INDEX}"`)) continue
    values.set(/axis="(\d)"/.exec(labels)?.[1] ?? '', Number(value))
  }
  return values
}

async function bearings(region: string): Promise<number[]> {
  const values = await waitFor(`${region} to know where its vectors point`, async () => {
    const found = await metric(region, 'perigee_index_mean_direction')
    return found.size > 0 && found
  })
  return [...values.values()]
}

const apart = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? 0))))

const own = model(1)
const other = model(2)

it('every region tells how long its vectors are and where they point, and they agree', async () => {
  const { us } = regions
  for (let from = 0; from < 400; from += 100) expect(await upsert(us, own, from, 100)).toEqual([])
  const here = await bearings('us-east-1')
  const there = await bearings('eu-west-1')
  expect(here).toHaveLength(4)
  expect(apart(here, there)).toBeLessThan(0.1)
  for (const region of ['us-east-1', 'eu-west-1']) {
    expect((await metric(region, 'perigee_index_norm_mean')).get('')).toBeCloseTo(1, 3)
    expect((await metric(region, 'perigee_index_norm_deviation')).get('')).toBeLessThan(0.001)
    expect((await metric(region, 'perigee_index_direction_concentration')).get('')).toBeGreaterThan(0.3)
  }
})

it("a batch of another model's vectors under the same id is written with a warning, through any region", async () => {
  const { us, eu } = regions
  for (const client of [us, eu]) {
    const warnings = await upsert(client, other, 1000, 20)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(
      /departs from index docs: its 20 vectors point elsewhere.*test\/model, revision 1/,
    )
  }
  const long = () => own().map((x) => x * 3)
  expect((await upsert(us, long, 1000, 20))[0]).toMatch('mean length of 3')
  expect((await metric('us-east-1', 'perigee_index_departures_total')).get('')).toBe(3)
})

it('batches of the same model, and batches too small to say, are written without', async () => {
  const { us, eu } = regions
  for (let i = 0; i < 20; i++) expect(await upsert(i % 2 ? us : eu, own, 2000, 10 + i)).toEqual([])
  expect(await upsert(us, other, 3000, 7)).toEqual([])
})

it('a restarted sidecar knows the vectors of its region again, and so does one whose vectors were replaced', async () => {
  const { cluster, us } = regions
  const before = await bearings('us-east-1')
  await cluster.stopProcess('us-east-1', 'sidecar', 'SIGKILL')
  await cluster.startProcess('us-east-1', 'sidecar')
  expect(apart(await bearings('us-east-1'), before)).toBeLessThan(0.1)
  await waitFor('a warning', async () => (await upsert(us, other, 1000, 20)).length === 1)

  const ids = Array.from({ length: 4000 }, (_, i) => `c${i}`)
  for (let from = 0; from < ids.length; from += 1000) {
    const selection = { case: 'ids' as const, value: { values: ids.slice(from, from + 1000) } }
    await us.search.deleteChunks({ namespace: NAMESPACE, index: INDEX, selection })
  }
  for (let from = 0; from < 300; from += 100) await upsert(us, other, from, 100)
  await waitFor("the other model's vectors to be its own now", async () => {
    return (await upsert(us, own, 5000, 20)).length === 1 && (await upsert(us, other, 6000, 20)).length === 0
  })
})
