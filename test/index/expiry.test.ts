import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, createIndex, listVersions, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'expiry'
const INDEX = 'docs'

let regions: TwoRegions

beforeAll(async () => {
  // Swept late, so that for a while the expired are still in the indexes.
  regions = await startTwoRegions({ sidecarEnv: { PERIGEE_SWEEP_MS: '6000' } })
  await createIndex(regions.us, NAMESPACE, { name: INDEX, defaultTtl: { seconds: 3600n, nanos: 0 } })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

const seconds = (n: number) => ({ seconds: BigInt(n), nanos: 0 })

it('an expired chunk never comes back from a search, and k live ones still do', async () => {
  const nearest = vectorMessage(vectorOf('target'))
  const ttl = seconds(2)
  const dying = Array.from({ length: 60 }, (_, i) => chunk(`dying-${i}`, { vector: nearest, ttl }))
  const living = Array.from({ length: 30 }, (_, i) => chunk(`living-${String(i).padStart(2, '0')}`))
  const { receipt } = await regions.us.search.upsertChunks({
    ...{ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks: [...dying, ...living] },
  })
  const expired = Date.now() + 2_000
  const search = { namespace: NAMESPACE, index: INDEX, model: MODEL, vector: nearest, k: 20 }
  for (const client of [regions.us, regions.eu]) {
    const options = { sessionToken: receipt?.sessionToken ?? new Uint8Array(), maxWait: seconds(5) }
    const { hits } = await client.search.search({ ...search, options })
    expect(hits.filter((hit) => hit.chunk?.id.startsWith('dying'))).toHaveLength(20)
    expect(hits[0]?.chunk?.expiresAt).toBeDefined()
  }
  // Both hosts' clocks are one here; the allowance is for its estimate.
  await waitFor('the chunks to expire', () => Date.now() > expired + 100)
  let stillHeld = 0
  for (let i = 0; i < 20; i++) {
    for (const [client, region] of [
      [regions.us, 'us-east-1'],
      [regions.eu, 'eu-west-1'],
    ] as const) {
      const { hits, receipt } = await client.search.search(search)
      expect(receipt?.region).toBe(region)
      expect(hits).toHaveLength(20)
      expect(hits.every((hit) => hit.chunk?.id.startsWith('living'))).toBe(true)
      const { versions } = await listVersions(client, NAMESPACE, INDEX)
      expect(versions.size).toBe(30)
      const info = await client.search.getIndex({ namespace: NAMESPACE, name: INDEX })
      if (info.regions.some((r) => r.region === region && r.chunks > 30n)) stillHeld += 1
    }
  }
  // Otherwise the sweep, not the search, would have been tested.
  expect(stillHeld).toBeGreaterThan(0)
  await waitFor('the sweep to remove them everywhere', async () => {
    const { regions: indexes } = await regions.eu.search.getIndex({ namespace: NAMESPACE, name: INDEX })
    return indexes.length === 2 && indexes.every((index) => index.chunks === 30n)
  })
})

it('a chunk takes the ttl of its index unless it brings its own, and a new version takes its own again', async () => {
  const write = (more: Parameters<typeof chunk>[1]) =>
    regions.us.search.upsertChunks({
      ...{ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks: [chunk('one', more)] },
    })
  const lifeMs = async () => {
    const { chunks } = await regions.us.search.getChunks({ namespace: NAMESPACE, index: INDEX, ids: ['one'] })
    const [one] = chunks
    const ms = (t?: { seconds: bigint; nanos: number }) => Number(t?.seconds) * 1000 + Number(t?.nanos) / 1e6
    return Math.round(ms(one?.expiresAt) - ms(one?.writtenAt))
  }
  await write({})
  expect(await lifeMs()).toBe(3_600_000)
  await write({ ttl: seconds(60) })
  expect(await lifeMs()).toBe(60_000)
})
