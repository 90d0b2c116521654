import { LocalCluster } from '@perigee/local-cluster'
import { any, bytes, json, not, type Perigee, PerigeeError, text, type VectorIndex } from '@perigee/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { clientIn } from '../support/client-in.ts'
import { randomNumbers, randomUnitVector } from '../support/vectors.ts'
import { waitFor } from '../support/wait-for.ts'

let cluster: LocalCluster
let perigee: Perigee

beforeAll(async () => {
  cluster = await LocalCluster.start({
    regions: ['us-east-1', 'eu-west-1'],
    distances: 'none',
    sentinel: false,
  })
  // In the region that is not the primary: everything takes both ways.
  perigee = await clientIn(cluster, 'eu-west-1')
})

afterAll(async () => {
  await perigee?.close()
  await cluster?.stop()
})

async function failure(promise: Promise<unknown>): Promise<PerigeeError> {
  const thrown = await promise.then(
    () => new Error('it did not fail'),
    (error) => error,
  )
  if (thrown instanceof PerigeeError) return thrown
  throw thrown
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

describe('a cache', () => {
  it('keeps what a schema allows, with version and times', async () => {
    const Answer = z.object({ answer: z.string(), at: z.coerce.date() })
    const cache = perigee.session().cache('answers', { codec: json(Answer) })
    const at = new Date()
    const { version, receipt } = await cache.set(
      '42',
      { answer: 'yes', at: at.toISOString() },
      { ttlMs: 60_000 },
    )
    expect(receipt.region).toBe('us-east-1')
    const entry = await cache.getEntry('42')
    expect(entry).toMatchObject({ value: { answer: 'yes', at }, version, contentType: 'application/json' })
    const lives = Number(entry?.expiresAt) - Number(entry?.writtenAt)
    expect(Math.abs(lives - 60_000)).toBeLessThan(50)
    expect(await failure(cache.set('43', { answer: 1 as never, at }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    expect(await cache.get('43')).toBeUndefined()
  })

  it('writes on a condition, or not at all', async () => {
    const cache = perigee.session().cache('conditions', { codec: text })
    const { version } = await cache.set('a', '1', { ifAbsent: true })
    const refused = { code: 'ABORTED', reason: 'PRECONDITION_FAILED' }
    expect(await failure(cache.set('a', '2', { ifAbsent: true }))).toMatchObject(refused)
    expect(await failure(cache.set('b', '2', { ifExists: true }))).toMatchObject(refused)
    expect(await failure(cache.delete('a', { ifVersion: `${version}0` }))).toMatchObject(refused)
    await cache.set('a', '3', { ifVersion: version })
    expect(await cache.get('a')).toBe('3')
  })

  it('forgets an entry when its time is over', async () => {
    const cache = perigee.session().cache('expiry', { codec: text })
    await cache.set('a', '1', { ttlMs: 1_500 })
    expect(await cache.get('a')).toBe('1')
    await waitFor('the entry to expire', async () => (await cache.get('a')) === undefined)
  })

  it('reads and writes many, more than a message holds', async () => {
    const cache = perigee.session().cache('many', { codec: bytes })
    const entries = Array.from(
      { length: 12 },
      (_, i) => [`large-${i}`, new Uint8Array(700_000).fill(i)] as const,
    )
    const { versions } = await cache.setMany(entries, { ttlMs: 60_000 })
    expect(versions.size).toBe(12)
    const found = await cache.getMany(['missing', ...entries.map(([key]) => key)])
    expect([...found.keys()]).toEqual(entries.map(([key]) => key))
    for (const [key, value] of entries) expect(Buffer.compare(found.get(key) ?? Buffer.of(), value)).toBe(0)
  })

  it('lists by prefix, deletes and clears', async () => {
    const cache = perigee.session().cache('listing', { codec: text })
    const keys = Array.from({ length: 450 }, (_, i) => `${i % 2 ? 'odd' : 'even'}/${i}*[ü`)
    await cache.setMany(keys.map((key) => [key, key]))
    const odd = await collect(cache.keys('odd/', { pageSize: 50 }))
    expect([...new Set(odd)].sort()).toEqual(keys.filter((key) => key.startsWith('odd/')).sort())
    expect((await cache.delete(keys.slice(0, 10))).deleted).toBe(10)
    await cache.clear()
    expect(await collect(cache.keys())).toEqual([])
    expect(await cache.get(keys[20] ?? '')).toBeUndefined()
  })

  it('computes what is missing once, for all sessions of the process', async () => {
    let computed = 0
    const ask = () =>
      perigee
        .session()
        .cache('computed', { codec: text })
        .getOrCompute('a', async () => `answer ${++computed}`)
    expect(new Set(await Promise.all(Array.from({ length: 20 }, ask)))).toEqual(new Set(['answer 1']))
  })
})

describe('an index', () => {
  const model = { id: 'random', revision: '1' }
  const random = randomNumbers(7)
  const chunks = Array.from({ length: 1_100 }, (_, i) => ({
    id: `c${i}`,
    text: i % 3 === 0 ? `the nearest point ${i}` : `somewhere else ${i}`,
    vector: randomUnitVector(16, random),
    metadata: { lang: i % 2 ? 'en' : 'de', year: 2000 + (i % 30), tags: ['all', `t${i % 5}`] },
  }))
  let docs: VectorIndex

  beforeAll(async () => {
    docs = perigee.session().index('docs', { model })
    await docs.ensureIndex({
      dimensions: 16,
      algorithm: 'flat',
      attributes: { lang: 'tag', tags: 'tag', year: 'numeric' },
    })
    const { upserted } = await docs.upsert(chunks)
    expect(upserted).toBe(chunks.length)
  })

  const distance = (a: Float32Array, b: Float32Array) => 1 - a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)
  const nearest = (query: Float32Array, among: typeof chunks, k: number) =>
    among
      .map(({ id, vector }) => ({ id, distance: distance(query, vector) }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, k)

  it('finds at once what the session wrote, exactly', async () => {
    for (let i = 0; i < 5; i++) {
      const query = randomUnitVector(16, random)
      // All of it may still be on its way here: wait for that rather than be answered from the primary.
      const hits = await docs.search(query, { k: 20, maxWaitMs: 4_000 })
      const truth = nearest(query, chunks, 20)
      expect(hits.map(({ id }) => id)).toEqual(truth.map(({ id }) => id))
      for (const [j, hit] of hits.entries()) expect(hit.distance).toBeCloseTo(truth[j]?.distance ?? 9, 4)
      expect(hits.receipt.region).toBe('eu-west-1')
    }
  })

  it('filters', async () => {
    const query = randomUnitVector(16, random)
    const expectHits = async (
      filter: Parameters<typeof docs.search>[1],
      keep: (c: (typeof chunks)[number]) => boolean,
    ) => {
      const hits = await docs.search(query, { ...filter, k: 15 })
      expect(hits.map(({ id }) => id)).toEqual(nearest(query, chunks.filter(keep), 15).map(({ id }) => id))
    }
    await expectHits({ filter: { lang: 'en', year: { min: 2010, max: 2012 } } }, (c) => {
      return c.metadata.lang === 'en' && c.metadata.year >= 2010 && c.metadata.year <= 2012
    })
    await expectHits({ filter: { tags: ['t1', 't2'] } }, (c) =>
      c.metadata.tags.some((t) => t === 't1' || t === 't2'),
    )
    await expectHits({ filter: any({ year: 2003 }, not({ lang: 'de' })) }, (c) => {
      return c.metadata.year === 2003 || c.metadata.lang !== 'de'
    })
    await expectHits({ filter: { text: { words: 'nearest point' } } }, (c) =>
      c.text.startsWith('the nearest'),
    )
  })

  it('answers as much of a chunk as is asked for', async () => {
    const [chunk] = chunks
    if (!chunk) throw new Error('no chunks')
    const view = async (name: 'id' | 'basic' | 'full') =>
      (await docs.search(chunk.vector, { k: 1, view: name }))[0]
    expect(await view('basic')).toMatchObject({
      id: 'c0',
      text: chunk.text,
      metadata: chunk.metadata,
      vector: undefined,
    })
    expect(await view('id')).toMatchObject({ id: 'c0', text: '', metadata: {} })
    expect((await view('full'))?.vector).toEqual(chunk.vector)
    expect(await docs.get('c0', { view: 'full' })).toMatchObject({ text: chunk.text, vector: chunk.vector })
    expect([...(await docs.getMany(['c2', 'nope', 'c1'])).keys()]).toEqual(['c2', 'c1'])
  })

  it('lists, and deletes by id and by filter', async () => {
    const some = perigee.session().index('some', { model })
    await some.ensureIndex({ dimensions: 16, attributes: { lang: 'tag' } })
    await some.upsert(chunks.slice(0, 300))
    expect(new Set((await collect(some.list({ pageSize: 70 }))).map(({ id }) => id)).size).toBe(300)
    expect((await collect(some.list({ filter: { lang: 'en' } }))).length).toBe(150)
    expect((await some.delete(['c0', 'c1', 'nope'])).deleted).toBe(2)
    expect((await some.delete({ filter: { lang: 'en' } })).deleted).toBe(149)
    expect((await collect(some.list())).length).toBe(149)
    await some.drop()
    expect(await failure(some.search(randomUnitVector(16, random)))).toMatchObject({
      code: 'NOT_FOUND',
      reason: 'INDEX_NOT_FOUND',
    })
  })

  it('is described, and is listed', async () => {
    const { definition, regions } = await docs.describe()
    expect(definition).toMatchObject({ name: 'docs', dimensions: 16, algorithm: { type: 'flat' }, model })
    expect(regions.length).toBeGreaterThan(0)
    expect((await collect(perigee.indexes())).map(({ name }) => name)).toContain('docs')
  })

  it('refuses another model, other dimensions and another definition', async () => {
    const other = perigee.index('docs', { model: { id: 'random', revision: '2' } })
    expect(await failure(other.search(randomUnitVector(16, random)))).toMatchObject({
      reason: 'MODEL_MISMATCH',
    })
    expect(await failure(docs.search([1, 2]))).toMatchObject({ reason: 'DIMENSION_MISMATCH' })
    const error = await failure(docs.ensureIndex({ dimensions: 32, algorithm: 'flat' }))
    expect(error).toMatchObject({ code: 'ALREADY_EXISTS', reason: 'INDEX_EXISTS' })
    expect(error.message).toContain('dimensions is 16 and not 32')
  })

  it('keeps float64 as it is', async () => {
    const precise = perigee.session().index('precise', { model })
    await precise.ensureIndex({ dimensions: 2, vectorType: 'float64', metric: 'l2' })
    const vector = [0.1 + 0.2, 1 / 3]
    await precise.upsert([{ id: 'a', vector }])
    const [hit] = await precise.search(vector, { view: 'full' })
    expect(hit?.vector).toEqual(Float64Array.from(vector))
    expect(hit?.distance).toBe(0)
  })

  it('that is region-scoped holds in each region what is meant for it', async () => {
    await using there = await clientIn(cluster, 'us-east-1')
    const here = perigee.session()
    const local = here.index('scoped', { model })
    await local.ensureIndex({ dimensions: 2, regionScoped: true })
    await local.upsert([
      { id: 'everywhere', vector: [1, 0] },
      { id: 'europe', vector: [1, 0], regions: ['eu-west-1'] },
    ])
    const ids = async (index: VectorIndex) => (await index.search([1, 0])).map(({ id }) => id).sort()
    expect(await ids(local)).toEqual(['europe', 'everywhere'])
    expect(await ids(there.session(here.token).index('scoped', { model }))).toEqual(['everywhere'])
  })
})

describe('the cluster', () => {
  it('tells its status, at once and again', async () => {
    const status = await perigee.cluster.status()
    expect(status).toMatchObject({ region: 'eu-west-1', primaryRegion: 'us-east-1' })
    expect(status.regions.map(({ region, role }) => [region, role])).toEqual([
      ['us-east-1', 'primary'],
      ['eu-west-1', 'replica'],
    ])
    let seen = 0
    for await (const { region } of perigee.cluster.watchStatus({ intervalMs: 100 })) {
      expect(region).toBe('eu-west-1')
      if (++seen === 3) break
    }
  })

  it('measures the lag by entries of its own', async () => {
    const events = await collect(perigee.cluster.probeLag({ samples: 10, intervalMs: 10 }))
    const summary = events.at(-1)
    expect(events.filter(({ type }) => type === 'sample').length).toBe(10)
    expect(summary).toMatchObject({
      type: 'summary',
      fromRegion: 'us-east-1',
      toRegion: 'eu-west-1',
      lost: 0,
    })
  })
})
