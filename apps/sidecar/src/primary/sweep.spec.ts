import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { type ClaimedRedis, soon, startClaimedRedis } from './claimed-redis.spec-support.ts'
import { Sweep } from './sweep.ts'
import type { NewIndex } from './writer.ts'

const log = pino({ level: process.env.SPEC_LOG ?? 'silent' })
const index: NewIndex = {
  ...{
    namespace: 'n',
    name: 'docs',
    dimensions: 1,
    metric: 'COSINE',
    vectorType: 'FLOAT32',
    regionScoped: false,
  },
  ...{ algorithm: { kind: 'FLAT' }, model: { id: 'm', revision: '1' }, attributes: [] },
}
const entry = (key: string) => ({ key, value: Buffer.from('v'), contentType: '' })
const chunk = (id: string) => ({ id, text: '', vector: Buffer.alloc(4), metadata: '{}', regionTags: [] })
const named = (count: number) => Array.from({ length: count }, (_, i) => `x:${i}`)

function sweepOf(redis: ClaimedRedis): Sweep {
  const { library, keys, claim, writer, redisTime } = redis
  const sweep = new Sweep({ library, keys, claim, writer, redisTime, intervalMs: 20, log })
  sweep.start()
  return sweep
}

const keysLike = async (redis: ClaimedRedis, pattern: string) =>
  ((await redis.connection.call('KEYS', pattern)) as string[]).sort()

it('removes the entries of a cleared namespace, spares newer ones and other namespaces, and takes no position', async () => {
  await using redis = await startClaimedRedis()
  for (const namespace of ['n', 'other'])
    await redis.writer.setEntries(namespace, named(700).map(entry), soon())
  await redis.writer.clearNamespace('n', soon())
  const { position } = await redis.writer.setEntries('n', [entry('new')], soon())
  const sweep = sweepOf(redis)
  await vi.waitFor(
    async () => expect(await keysLike(redis, 'pg:{0}:kv:n:*')).toEqual(['pg:{0}:kv:n:new']),
    5000,
  )
  await vi.waitFor(
    async () => expect(await redis.connection.call('EXISTS', redis.keys.clearing)).toBe(0),
    5000,
  )
  sweep.stop()
  expect(await keysLike(redis, 'pg:{0}:kv:other:*')).toHaveLength(700)
  expect(await redis.data.clock({ primary: true })).toEqual(position)
})

it('deletes expired chunks by the log, in batches, and no others', async () => {
  await using redis = await startClaimedRedis()
  const { definition } = await redis.writer.createIndex(index, soon())
  const expiring = named(450).map((id) => ({ ...chunk(id), ttlMs: 100 }))
  await redis.writer.upsertChunks(
    definition,
    [...expiring, chunk('kept'), { ...chunk('later'), ttlMs: 60_000 }],
    soon(),
  )
  const before = await redis.data.clock({ primary: true })
  const sweep = sweepOf(redis)
  await vi.waitFor(async () => {
    expect(await redis.data.clock({ primary: true })).toEqual({ ...before, seq: before.seq + 450 })
  }, 5000)
  sweep.stop()
  const { entries } = await redis.data.read(before, 1000)
  expect(new Set(entries.map((e) => e.operation))).toEqual(new Set(['delete']))
  expect(new Set(entries.map((e) => e.chunkId))).toEqual(new Set(named(450)))
  const { chunks } = await redis.data.chunks(definition.uid, ['x:0', 'kept', 'later'], 'position')
  expect(chunks).toMatchObject([undefined, { id: 'kept' }, { id: 'later' }])
})

it('removes what a dropped index leaves, and nothing of an index that has its name now', async () => {
  await using redis = await startClaimedRedis()
  const { writer } = redis
  const old = (await writer.createIndex(index, soon())).definition
  await writer.upsertChunks(
    old,
    named(700).map((id) => ({ ...chunk(id), ttlMs: 60_000 })),
    soon(),
  )
  await writer.dropIndex('n', 'docs', soon())
  const now = (await writer.createIndex(index, soon())).definition
  await writer.upsertChunks(now, [chunk('x:1')], soon())
  const sweep = sweepOf(redis)
  await vi.waitFor(
    async () => expect(await redis.connection.call('EXISTS', redis.keys.dropped)).toBe(0),
    5000,
  )
  sweep.stop()
  expect(await keysLike(redis, 'pg:{0}:chunk:*')).toEqual([redis.keys.chunk(now.uid, 'x:1')])
  expect(await redis.connection.call('EXISTS', redis.keys.expiring)).toBe(0)
})

it('forgets first answers after 60 s, and not before', async () => {
  await using redis = await startClaimedRedis()
  const { connection, keys, writer } = redis
  const write = (requestId: string) => writer.setEntries('n', [entry('k')], { ...soon(), requestId })
  const known = async () => {
    const hashes = await Promise.all([keys.done, keys.doneBefore].map((key) => connection.call('HKEYS', key)))
    return hashes.map((names) => (names as string[]).filter((name) => name !== '').sort())
  }
  const nameOf = (id: string) => keys.requestName('Set', 'n', id)
  const age = (key: string, seconds: number) =>
    connection.call('HSET', key, '', (Date.now() - seconds * 1000) * 1000)

  const first = await write('old')
  await age(keys.done, 59)
  await write('young')
  expect(await known()).toEqual([[nameOf('old'), nameOf('young')], []])
  await age(keys.done, 61)
  await write('new')
  expect(await known()).toEqual([[nameOf('new')], [nameOf('old'), nameOf('young')]])
  expect(await write('old')).toEqual(first)

  const sweep = sweepOf(redis)
  await age(keys.done, 61)
  await vi.waitFor(async () => expect(await known()).toEqual([[], [nameOf('new')]]), 5000)
  await age(keys.doneBefore, 121)
  await vi.waitFor(async () => expect(await known()).toEqual([[], []]), 5000)
  sweep.stop()
})

it('keeps first answers for as long when the clock goes back', async () => {
  await using redis = await startClaimedRedis()
  const { connection, keys, writer } = redis
  const once = { ...soon(), requestId: 'once' }
  const first = await writer.setEntries('n', [entry('k')], once)
  await connection.call('HSET', keys.done, '', (Date.now() + 3_600_000) * 1000)
  await writer.setEntries('n', [entry('k')], { ...soon(), requestId: 'another' })
  expect(Number(await connection.call('HGET', keys.done, ''))).toBeLessThan(Date.now() * 1000 + 1000)
  expect(await writer.setEntries('n', [entry('k')], once)).toEqual(first)
})
