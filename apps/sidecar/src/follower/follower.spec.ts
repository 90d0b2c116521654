import { expect, it, vi } from 'vitest'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { cluster, copiesOf, hold, keys, level, redis, region, rows, searched } from './region.spec-support.ts'

it('follows creations, upserts, updates, deletions and drops', async () => {
  const { data, index, primary } = await cluster()
  const r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 500))
  await primary.upsert(docs, rows(100, 200))
  await primary.delete(docs, ['1', '2', 'nothing'])
  await level(r, docs.uid)
  expect(Object.keys(await copiesOf(r, docs.uid))).toHaveLength(498)
  expect(await searched(r, docs.uid)).toBe(498)

  await primary.dropIndex('docs')
  const again = await primary.createIndex('docs')
  await primary.upsert(again, rows(0, 3))
  await level(r, again.uid)
  expect(await searched(r, again.uid)).toBe(3)
  await vi.waitFor(() =>
    expect(searched(r, docs.uid)).rejects.toMatchObject({ details: { reason: 'INDEX_BUILDING' } }),
  )
  await vi.waitFor(async () => expect(await copiesOf(r, docs.uid)).toEqual({}))
})

it('reads each entry of the log once while it catches up', async () => {
  const { data, index, primary } = await cluster()
  const r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await level(r, docs.uid)
  const read = r.data.read.bind(r.data)
  let entries = 0
  r.data.read = async (after, countMax) => {
    const batch = await read(after, countMax)
    entries += batch.entries.length
    return batch
  }
  await primary.upsert(docs, rows(0, 1_000))
  await level(r, docs.uid)
  expect(entries).toBe(1_000)
})

it('includes a write in the cache, which the log does not name', async () => {
  const { data, index, primary } = await cluster()
  const r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await level(r, docs.uid)
  await primary.connection.call('SET', keys.clock, `${primary.epoch}-77`)
  await vi.waitFor(() => expect(r.follower.level?.clock).toEqual({ epoch: primary.epoch, seq: 77 }))
})

it('goes on where it was after a restart, and from the start when the index Redis comes back empty', async () => {
  const { data, index, primary } = await cluster()
  const first = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 300))
  await level(first, docs.uid)
  await first.stop()
  await primary.upsert(docs, rows(200, 400))
  const second = region(data.url, index.url)
  await level(second, docs.uid)

  await index.kill()
  await primary.delete(docs, ['0'])
  await index.start()
  expect(await index.command('DBSIZE')).toBe(0)
  await level(second, docs.uid)
  expect(await searched(second, docs.uid)).toBe(399)
})

it('notices an index Redis that is emptied while nothing is written', async () => {
  const { data, index, primary } = await cluster()
  const r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 10))
  await level(r, docs.uid)
  await r.index.call('FLUSHALL')
  await vi.waitFor(async () => expect(await searched(r, docs.uid)).toBe(10), 10_000)
  await level(r, docs.uid)
})

it('repairs after a gap in the log, and its old copy answers meanwhile', async () => {
  const { data, index, primary } = await cluster()
  const first = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 50))
  await level(first, docs.uid)
  await first.stop()
  await primary.upsert(docs, rows(40, 60))
  await primary.delete(docs, ['3'])
  await primary.connection.call('XTRIM', keys.log, 'MAXLEN', '1')
  const second = region(data.url, index.url)
  const complete: boolean[] = []
  const reasons = new Set<string | undefined>()
  while (second.follower.state !== 'level') {
    await second.follower.changed(1000, AbortSignal.timeout(5000))
    complete.push(second.follower.checkpoint?.complete.has(docs.uid) ?? false)
    reasons.add(second.follower.checkpoint?.repair?.reason)
  }
  expect(reasons).toContain('gap')
  expect(complete).not.toContain(false)
  await level(second, docs.uid)
})

it('removes changes that were rolled back, and does not answer until then', async () => {
  const { data, index, primary } = await cluster({ config: [['save', '']] })
  const r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 20))
  await level(r, docs.uid)
  await primary.connection.call('SAVE')
  await primary.upsert(docs, rows(10, 40))
  await level(r, docs.uid)
  await data.kill()
  await data.start()
  await vi.waitFor(() => expect(r.follower.state).toBe('waiting'), 5000)
  expect(r.follower.checkpoint?.complete.has(docs.uid)).toBe(true)
  await primary.claim()
  const complete: boolean[] = []
  while (r.follower.state !== 'level') {
    await r.follower.changed(1000, AbortSignal.timeout(5000))
    if (r.follower.checkpoint?.repair) complete.push(r.follower.checkpoint.complete.has(docs.uid))
  }
  expect(complete).toContain(false)
  expect(complete).not.toContain(true)
  await level(r, docs.uid)
  expect(Object.keys(await copiesOf(r, docs.uid))).toHaveLength(20)
})

it('holds the chunks meant for its region only, also when they are tagged anew', async () => {
  const [{ data, index, primary }, otherIndex] = await Promise.all([cluster(), redis({ search: true })])
  const us = region(data.url, index.url, 'us-east-1')
  const eu = region(data.url, otherIndex.url, 'eu-west-1')
  const docs = await primary.createIndex('docs', { regionScoped: true })
  await primary.upsert(docs, [
    { id: 'all' },
    { id: 'us', tags: ['us-east-1'] },
    { id: 'both', tags: ['us-east-1', 'eu-west-1'] },
  ])
  await vi.waitFor(async () =>
    expect(Object.keys(await copiesOf(us, docs.uid))).toEqual(['all', 'both', 'us']),
  )
  await vi.waitFor(async () => expect(Object.keys(await copiesOf(eu, docs.uid))).toEqual(['all', 'both']))
  await primary.upsert(docs, [
    { id: 'all', tags: ['us-east-1'] },
    { id: 'us', tags: ['eu-west-1'] },
  ])
  await vi.waitFor(async () => expect(Object.keys(await copiesOf(us, docs.uid))).toEqual(['all', 'both']))
  await vi.waitFor(async () => expect(Object.keys(await copiesOf(eu, docs.uid))).toEqual(['both', 'us']))
})

it('lets two sidecars of a region follow into one index', async () => {
  const { data, index, primary } = await cluster()
  const [a, b] = [region(data.url, index.url), region(data.url, index.url)]
  const docs = await primary.createIndex('docs')
  for (let i = 0; i < 10; i++) {
    await primary.upsert(docs, rows(i * 60, i * 60 + 100))
    await primary.delete(docs, [String(i * 60)])
  }
  await level(a, docs.uid)
  await level(b, docs.uid)
})

it('keeps every index whichever of two sidecars takes over its creation', async () => {
  const { data, index, primary } = await cluster()
  const both = [region(data.url, index.url), region(data.url, index.url)] as const
  for (const each of both) await vi.waitFor(() => expect(each.follower.state).toBe('level'), 8000)
  const truth = new Map<string, IndexDefinition>()
  for (let i = 0; i < 12; i++) {
    const definition = await primary.createIndex('docs')
    await primary.upsert(definition, [{ id: '1' }, { id: '2' }])
    const other = await primary.createIndex(`other-${i}`)
    truth.set(other.uid, other)
    await primary.upsert(other, [{ id: '3' }])
    await primary.dropIndex('docs')
  }
  const docs = await primary.createIndex('docs')
  truth.set(docs.uid, docs)
  await primary.upsert(docs, [{ id: '1' }, { id: '2' }])
  for (const each of both) {
    await level(each, docs.uid)
    await vi.waitFor(() => {
      expect([...each.follower.catalogue.definitions.keys()].sort()).toEqual([...truth.keys()].sort())
      expect([...(each.follower.checkpoint?.complete ?? [])].sort()).toEqual([...truth.keys()].sort())
    }, 8000)
  }
  for (const [uid, { name }] of truth) {
    expect(Object.keys(await copiesOf(both[0], uid))).toEqual(name === 'docs' ? ['1', '2'] : ['3'])
  }
  await vi.waitFor(async () => {
    expect([...(await both[0].copies.searchIndexes())].sort()).toEqual([...truth.keys()].sort())
  }, 8000)
})

it('knows the indexes that the other sidecar of its region took over from the log', async () => {
  const { data, index, primary } = await cluster()
  const [a, b] = [region(data.url, index.url), region(data.url, index.url)]
  const first = await primary.createIndex('docs')
  await level(a, first.uid)
  await level(b, first.uid)
  const releaseB = hold(b)
  await primary.dropIndex('docs')
  const docs = await primary.createIndex('docs')
  await level(a, docs.uid)
  const releaseA = hold(a)
  releaseB()
  await primary.upsert(docs, rows(0, 10))
  await level(b, docs.uid)
  expect(b.follower.catalogue.find('ns', 'docs')?.uid).toBe(docs.uid)
  expect(await searched(b, docs.uid)).toBe(10)
  releaseA()
  await level(a, docs.uid)
})

it('does not let a search index that was lost answer while it is filled again', async () => {
  const { data, index, primary } = await cluster()
  const a = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 1000))
  await level(a, docs.uid)
  await a.stop()
  // Lost together with entries of the log: each alone is a reason to repair.
  const { connection } = primary
  await primary.upsert(docs, rows(0, 10))
  await primary.upsert(docs, rows(0, 10))
  await connection.call('XTRIM', keys.log, 'MAXLEN', 5)
  await index.command('FT.DROPINDEX', keys.searchIndex(docs.uid))
  const again = region(data.url, index.url)
  const { copies } = again
  const create = copies.createIndex.bind(copies)
  let answers: boolean | undefined
  copies.createIndex = async (definition) => {
    const fields = (await index.command('HKEYS', keys.checkpoint)) as string[]
    answers = fields.includes(`complete:${docs.uid}`)
    await create(definition)
  }
  await level(again, docs.uid)
  expect(answers).toBe(false)
  expect(await searched(again, docs.uid)).toBe(1000)
})

it('misses no chunk when the data Redis restarts unnoticed between two pages of a comparison', async () => {
  const durable: [string, string][] = [
    ['appendonly', 'yes'],
    ['appendfsync', 'always'],
  ]
  const { data, index, primary } = await cluster({ config: durable })
  const docs = await primary.createIndex('docs')
  for (let i = 0; i < 3; i++) await primary.upsert(docs, rows(i * 1000, (i + 1) * 1000))
  await primary.connection.call('XTRIM', keys.log, 'MAXLEN', 1)
  const a = region(data.url, index.url)
  const { copies } = a
  const commit = copies.commit
  let steps = 0
  copies.commit = async (...args) => {
    steps += 1
    if (steps === 6) {
      await data.kill()
      await data.start()
      await vi.waitFor(() => a.data.indexes(), 5000)
    }
    return await commit.apply(copies, args)
  }
  await level(a, docs.uid)
  expect(steps).toBeGreaterThan(6)
  expect(Object.keys(await copiesOf(a, docs.uid))).toHaveLength(3000)
})

it('throws away copies of another cluster', async () => {
  const first = await cluster()
  const r = region(first.data.url, first.index.url)
  const docs = await first.primary.createIndex('docs')
  await first.primary.upsert(docs, rows(0, 10))
  await level(r, docs.uid)
  await r.stop()
  const second = await cluster()
  await second.primary.connection.call('SET', keys.cluster, 'ffffffffffffffff')
  const other = await second.primary.createIndex('other')
  await second.primary.upsert(other, rows(0, 5))
  const moved = region(second.data.url, first.index.url)
  await level(moved, other.uid)
  await vi.waitFor(async () => expect(await copiesOf(moved, docs.uid)).toEqual({}))
  expect([...(await moved.copies.searchIndexes())]).toEqual([other.uid])
})
