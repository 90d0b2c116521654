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

it('a search among thousands of expired chunks that are not swept yet gives as many living ones as it was asked for', async () => {
  const vector = vectorMessage(vectorOf('target'))
  const ttl = { seconds: 1n, nanos: 0 }
  const upsert = (chunks: ReturnType<typeof chunk>[]) =>
    regions.us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks })
  const living = Array.from({ length: 20 }, (_, i) => `living-${i}`)
  await upsert(living.map((id) => chunk(id)))
  for (let i = 0; i < DYING; i += 500)
    await upsert(Array.from({ length: 500 }, (_, j) => chunk(`dying-${i + j}`, { vector, ttl })))
  const expired = Date.now() + 1_100
  await waitFor(
    'the index to hold them, expired',
    async () => {
      const { regions: indexes } = await regions.us.search.getIndex({ namespace: NAMESPACE, name: INDEX })
      const held = indexes.every(({ chunks }) => chunks === BigInt(DYING + living.length))
      return held && indexes.length === 2 && Date.now() > expired
    },
    { timeoutMs: 60_000 },
  )
  const search = { namespace: NAMESPACE, index: INDEX, model: MODEL, vector }
  for (const k of [1, 10, 30]) {
    const { hits } = await regions.us.search.search({ ...search, k })
    expect(hits).toHaveLength(Math.min(k, living.length))
    expect(living).toEqual(expect.arrayContaining(hits.map((hit) => hit.chunk?.id)))
  }
  const filter = {
    expression: { case: 'textMatch' as const, value: { attribute: 'text', words: 'living' } },
  }
  const { hits } = await regions.us.search.search({ ...search, k: 5, filter })
  expect(hits.map((hit) => hit.chunk?.id)).toHaveLength(5)
})
