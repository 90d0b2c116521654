import type { SearchRequest, UpsertChunksRequest } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import type { ChunkInput } from './chunk.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { Refusal } from './spec/small-sidecar.ts'

const model = { id: 'm', revision: '1' }

function chunks(count: number, more: Partial<ChunkInput> = {}): ChunkInput[] {
  return Array.from({ length: count }, (_, i) => ({ id: `c${i}`, vector: Float32Array.of(i, 1), ...more }))
}

describe('ensureIndex', () => {
  it('makes an index once, and finds it the next time', async () => {
    const { perigee, near } = await smallRegions()
    const docs = perigee.index('docs', { model })
    const input = { dimensions: 2, attributes: { lang: 'tag', year: 'numeric' } } as const
    const made = await docs.ensureIndex(input)
    expect(made).toMatchObject({
      name: 'docs',
      metric: 'cosine',
      vectorType: 'float32',
      algorithm: { type: 'hnsw', m: 16, efConstruction: 200, efRuntime: 64 },
      attributes: { lang: 'tag', year: 'numeric' },
      regionScoped: false,
    })
    expect(made.uid).not.toBe('')
    expect(await docs.ensureIndex({ ...input, attributes: { year: 'numeric', lang: 'tag' } })).toEqual(made)
    expect(near.calls('CreateIndex')).toHaveLength(1)
  })

  it('refuses another index of the same name, and names what differs', async () => {
    const { perigee } = await smallRegions()
    const docs = perigee.index('docs', { model })
    await docs.ensureIndex({ dimensions: 2, algorithm: 'flat' })
    const error = await failure(docs.ensureIndex({ dimensions: 3, metric: 'l2', algorithm: 'flat' }))
    expect(error).toMatchObject({ code: 'ALREADY_EXISTS', reason: 'INDEX_EXISTS' })
    expect(error.message).toContain('dimensions is 2 and not 3')
    expect(error.message).toContain('metric is cosine and not l2')
    expect(error.message).not.toContain('algorithm')
  })

  it('needs to know the model', async () => {
    const { perigee } = await smallRegions()
    const error = await failure(perigee.index('docs').ensureIndex({ dimensions: 2 }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('model')
  })
})

describe('upsert', () => {
  it('writes any number of chunks in calls of 200, and tells its progress', async () => {
    const { perigee, near, cluster } = await smallRegions()
    const progress: number[] = []
    const { upserted, receipt } = await perigee.index('docs', { model }).upsert(chunks(450), {
      onProgress: ({ upserted, total }) => progress.push(upserted, total ?? -1),
    })
    expect(upserted).toBe(450)
    expect(receipt?.region).toBe('eu-west-1')
    expect(cluster.chunks.size).toBe(450)
    const sizes = (near.calls('UpsertChunks') as UpsertChunksRequest[]).map((r) => r.chunks.length)
    expect(sizes).toEqual([200, 200, 50])
    expect(progress.at(-2)).toBe(450)
    expect(progress.filter((_, i) => i % 2 === 1)).toEqual([450, 450, 450])
  })

  it('fits every call into a message', async () => {
    const { perigee, near } = await smallRegions()
    const metadata = { a: Array.from({ length: 1_000 }, (_, i) => i), b: { c: 'ü'.repeat(10_000) } }
    await perigee.index('docs', { model }).upsert(chunks(60, { text: '€'.repeat(100_000), metadata }))
    const calls = near.calls('UpsertChunks') as UpsertChunksRequest[]
    expect(calls.length).toBeGreaterThan(4)
    expect(calls.flatMap((r) => r.chunks)).toHaveLength(60)
  })

  it('takes from a stream no faster than it is acknowledged', async () => {
    const { perigee, near } = await smallRegions()
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    near.intercept = (method) => (method === 'UpsertChunks' ? held.then(() => undefined) : undefined)
    let taken = 0
    async function* source() {
      for (const chunk of chunks(1_000)) {
        taken++
        yield chunk
      }
    }
    const done = perigee.index('docs', { model }).upsert(source(), { batchSize: 10, concurrency: 2 })
    await expect.poll(() => near.calls('UpsertChunks').length).toBe(2)
    await new Promise((resolve) => setImmediate(resolve))
    expect(taken).toBeLessThanOrEqual(31)
    release()
    expect(await done).toMatchObject({ upserted: 1_000 })
  })

  it('keeps the order of two chunks of one id', async () => {
    const { perigee, near, cluster } = await smallRegions()
    // The first call is the slowest.
    let first = true
    near.intercept = async () => {
      const wait = first ? 100 : 0
      first = false
      await new Promise((resolve) => setTimeout(resolve, wait))
      return undefined
    }
    const twice = [...chunks(3), { id: 'c1', text: 'newer', vector: [0, 0] }, ...chunks(9).slice(4)]
    await perigee.index('docs', { model }).upsert(twice, { batchSize: 2 })
    expect(cluster.chunks.get('c1')?.text).toBe('newer')
  })

  it('stops at the first failure, with nothing in flight any more', async () => {
    const { perigee, near } = await smallRegions()
    near.intercept = () => {
      if (near.calls('UpsertChunks').length > 2) throw new Refusal('DIMENSION_MISMATCH')
      return undefined
    }
    const docs = perigee.index('docs', { model })
    const error = await failure(docs.upsert(chunks(1_000), { batchSize: 10 }))
    expect(error.reason).toBe('DIMENSION_MISMATCH')
    const calls = near.calls('UpsertChunks').length
    expect(calls).toBeLessThan(20)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(near.calls('UpsertChunks')).toHaveLength(calls)
  })

  it('sends a call again with its request id when the sidecar dies', async () => {
    const { perigee, near, cluster } = await smallRegions()
    near.intercept = () => {
      void near.kill()
      return new Promise(() => {})
    }
    const { receipt } = await perigee.index('docs', { model }).upsert(chunks(10))
    expect(receipt?.region).toBe('us-east-1')
    expect(cluster.chunks.size).toBe(10)
  })

  it('refuses metadata that is no JSON', async () => {
    const { perigee } = await smallRegions()
    const metadata = { when: new Date() } as never
    expect(await failure(perigee.index('docs', { model }).upsert(chunks(1, { metadata })))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('refuses a chunk without id or vector, and metadata that refers to itself', async () => {
    const { perigee, near } = await smallRegions()
    const cyclic: { self?: unknown } = {}
    cyclic.self = cyclic
    for (const chunk of [{ id: 'a' }, { vector: [1] }, null, { id: 'a', vector: [1], metadata: cyclic }]) {
      const error = await failure(perigee.index('docs', { model }).upsert([chunk as never]))
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(near.received).toHaveLength(0)
  })

  it('of nothing asks nobody', async () => {
    const { perigee, near } = await smallRegions()
    expect(await perigee.index('docs', { model }).upsert([])).toEqual({ upserted: 0, receipt: undefined })
    expect(near.received).toHaveLength(0)
  })
})

describe('search', () => {
  it('sends what was asked, and answers hits with their chunks', async () => {
    const { perigee, near } = await smallRegions()
    const docs = perigee.index('docs', { model, namespace: 'team' })
    const regions = ['eu-west-1']
    await docs.upsert([
      { id: 'a', text: 'x', vector: [1, 2], metadata: { lang: 'en', n: 1 }, regions, ttlMs: 5_000 },
    ])
    const hits = await docs.search(Float32Array.of(1, 2), {
      k: 3,
      filter: { lang: 'en', year: { min: 2024 } },
      maxDistance: 0.5,
      efRuntime: 7,
      view: 'full',
    })
    expect(hits).toHaveLength(1)
    expect(hits[0]).toMatchObject({
      id: 'a',
      text: 'x',
      distance: 0,
      metadata: { lang: 'en', n: 1 },
      regions,
    })
    expect(hits[0]?.vector).toEqual(Float64Array.of(1, 2))
    expect(hits.receipt.region).toBe('eu-west-1')
    const [request] = near.calls('Search') as SearchRequest[]
    expect(request).toMatchObject({
      namespace: 'team',
      index: 'docs',
      k: 3,
      maxDistance: 0.5,
      efRuntime: 7,
      view: 2,
    })
    expect(request?.model).toMatchObject(model)
    expect(request?.vector?.values.case).toBe('float32Le')
  })

  it('leaves out what was not asked', async () => {
    const { perigee, near } = await smallRegions()
    await perigee.index('docs', { model }).search([1])
    const [request] = near.calls('Search') as SearchRequest[]
    expect(request).toMatchObject({ namespace: 'default', k: 10, efRuntime: 0 })
    expect(request?.filter).toBeUndefined()
    expect(request?.maxDistance).toBeUndefined()
  })
})

describe('delete', () => {
  it('never takes a filter without conditions', async () => {
    const { perigee, near } = await smallRegions()
    expect(await failure(perigee.index('docs').delete({ filter: {} }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(near.received).toHaveLength(0)
  })
})
