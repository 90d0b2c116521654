import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'expiry'
const INDEX = 'docs'
const DYING = 6_000

let regions: TwoRegions

beforeAll(async () => {
  // Never swept while this runs.
  regions = await startTwoRegions({ sidecarEnv: { PERIGEE_SWEEP_MS: '3600000' } })
  await createIndex(regions.us, NAMESPACE, { name: INDEX })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

it('a search among more expired chunks than it can skip is refused, it never gives fewer hits than there are', async () => {
  const vector = vectorMessage(vectorOf('target'))
  const ttl = { seconds: 1n, nanos: 0 }
  const upsert = (chunks: ReturnType<typeof chunk>[]) =>
    regions.us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks })
  await upsert([chunk('living')])
  for (let i = 0; i < DYING; i += 500)
    await upsert(Array.from({ length: 500 }, (_, j) => chunk(`dying-${i + j}`, { vector, ttl })))
  const expired = Date.now() + 1_100
  await waitFor(
    'the index to hold them, expired',
    async () => {
      const { regions: indexes } = await regions.us.search.getIndex({ namespace: NAMESPACE, name: INDEX })
      const held = indexes.every(({ chunks }) => chunks === BigInt(DYING + 1))
      return held && indexes.length === 2 && Date.now() > expired
    },
    { timeoutMs: 60_000 },
  )
  const search = { namespace: NAMESPACE, index: INDEX, model: MODEL, vector }
  await expect(regions.us.search.search({ ...search, k: 1 })).rejects.toMatchObject({
    status: 'UNAVAILABLE',
    details: { reason: 'DATA_UNAVAILABLE' },
  })
  const { hits } = await regions.us.search.search({ ...search, k: 20 })
  expect(hits.map((hit) => hit.chunk?.id)).toEqual(['living'])
})
