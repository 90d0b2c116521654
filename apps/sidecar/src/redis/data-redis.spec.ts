import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { soon, startClaimedRedis } from '../primary/claimed-redis.spec-support.ts'
import { ClockWatch } from './clock-watch.ts'
import { RedisConnection } from './connection.ts'
import { DataRedis, type KeyListPlace } from './data-redis.ts'
import { HistoryReader } from './history.ts'
import { Keys } from './keys.ts'
import { Tracking } from './tracking.ts'

const log = pino({ level: 'silent' })
const entry = (key: string, bytes = 1) => ({ key, value: Buffer.alloc(bytes, 120), contentType: '' })

it('lists every key of a prefix across pages of one, five and a thousand, hidden ones left out', async () => {
  await using redis = await startClaimedRedis()
  const { data, writer } = redis
  const keys = Array.from({ length: 1500 }, (_, i) => `a*[${i}]`)
  for (let i = 0; i < keys.length; i += 500)
    await writer.setEntries(
      'n',
      keys.slice(i, i + 500).map((k) => entry(k)),
      soon(),
    )
  await writer.setEntries('n', [entry('ab'), entry('b')], soon())
  await writer.setEntries('other', [entry('a*[x]')], soon())
  await writer.setEntries('n', [{ ...entry('a*[gone]'), expiresAtMs: Date.now() - 1 }], soon())
  for (const pageSize of [1000, 5, 1]) {
    const wanted = pageSize === 1 ? 'a*[1' : 'a*['
    const listed = new Set<string>()
    let from: KeyListPlace | undefined
    do {
      const page = await data.listKeys('n', wanted, { primary: false, pageSize, from })
      expect(page.keys.length).toBeLessThanOrEqual(pageSize)
      for (const key of page.keys) listed.add(key)
      from = page.next
    } while (from)
    expect([...listed].sort()).toEqual(keys.filter((key) => key.startsWith(wanted)).sort())
  }
})

it('says of a page of keys that it may include what was written while it was made', async () => {
  await using redis = await startClaimedRedis()
  const { data, writer } = redis
  for (let i = 0; i < 5; i++) {
    const others = Array.from({ length: 500 }, (_, j) => entry(`other-${i}-${j}`))
    await writer.setEntries('n', others, soon())
  }
  const seqs = new Map<string, number>()
  const list = async () => {
    let from: KeyListPlace | undefined
    do {
      const page = await data.listKeys('n', 'new-', { primary: false, pageSize: 1000, from })
      for (const key of page.keys) {
        await vi.waitFor(() => expect(seqs.has(key)).toBe(true))
        expect(page.seen.seq).toBeGreaterThanOrEqual(seqs.get(key) as number)
      }
      moved ||= page.seen.seq > page.clock.seq
      from = page.next
    } while (from)
  }
  let moved = false
  let listing = true
  const write = async () => {
    for (let i = 0; listing; i++) {
      const { position } = await writer.setEntries('n', [entry(`new-${i}`)], soon())
      seqs.set(`new-${i}`, position.seq)
    }
  }
  const writing = write()
  try {
    for (let i = 0; i < 100 && !moved; i++) await list()
  } finally {
    listing = false
    await writing
  }
  expect(moved).toBe(true)
})

it('leaves entries unread past a number of bytes, and always reads the first', async () => {
  await using redis = await startClaimedRedis()
  await redis.writer.setEntries('n', [entry('a', 600), entry('b', 600), entry('c', 600)], soon())
  const read = async (keys: string[], bytesMax: number) => {
    const { entries } = await redis.data.readEntries('n', keys, { primary: true, bytesMax })
    return entries.map((e) => (typeof e === 'object' ? e.key : e))
  }
  expect(await read(['a', 'x', 'b', 'c'], 1400)).toEqual(['a', undefined, 'b', 'unread'])
  expect(await read(['a', 'b'], 10)).toEqual(['a', 'unread'])
  expect(await read(['x', 'a', 'b'], 10)).toEqual([undefined, 'a', 'unread'])
})

it('scans all chunks of an index and no others, even under names that a glob gives a meaning', async () => {
  await using redis = await startClaimedRedis()
  const { data, writer } = redis
  const create = (name: string) =>
    writer.createIndex(
      {
        ...{
          namespace: 'n',
          name,
          dimensions: 1,
          metric: 'COSINE',
          vectorType: 'FLOAT32',
          regionScoped: false,
        },
        ...{ algorithm: { kind: 'FLAT' }, model: { id: 'm', revision: '1' }, attributes: [] },
      },
      soon(),
    )
  const one = (await create('one')).definition
  const two = (await create('two')).definition
  const chunk = (id: string) => ({ id, text: '', vector: Buffer.alloc(4), metadata: '{}', regionTags: [] })
  const ids = Array.from({ length: 300 }, (_, i) => `*?[${i}]`)
  await writer.upsertChunks(one, ids.map(chunk), soon())
  await writer.upsertChunks(two, [chunk('other')], soon())
  const found = new Set<string>()
  let cursor = '0'
  do {
    const page = await data.scan(one.uid, cursor, 50, 'all')
    for (const { id } of page.chunks) found.add(id)
    cursor = page.cursor
  } while (cursor !== '0')
  expect([...found].sort()).toEqual(ids.sort())
})

it('reads a replica as it is, refuses it where a live claim is demanded, and hears of its clock at once', async () => {
  await using redis = await startClaimedRedis()
  await using replica = await startRedis()
  await replica.command('REPLICAOF', redis.process.host, String(redis.process.port))
  const keys = new Keys('pg')
  const url = `redis://${replica.host}:${replica.port}`
  const connection = new RedisConnection({ url, name: 'spec', timeoutMs: 5000, log })
  const tracking = new Tracking({ url, keys, timeoutMs: 1000, log })
  const watch = new ClockWatch({ connection, keys, tracking })
  const history = new HistoryReader({ connection, keys })
  const primaryClock = { nowMs: () => Date.now(), uncertaintyMs: () => 1 }
  const data = new DataRedis({ reads: connection, bulk: connection, keys, history, watch, primaryClock })
  connection.start()
  tracking.start()
  try {
    const { position } = await redis.writer.setEntries('n', [entry('k')], soon())
    await vi.waitFor(async () => expect(await data.clock({ primary: false })).toEqual(position), 10_000)
    await expect(data.clock({ primary: true })).rejects.toMatchObject({ details: { reason: 'NO_PRIMARY' } })

    // Tracking is armed once the clock was read through it.
    await vi.waitFor(() => expect(data.newestClock).toEqual(position), 5000)
    const times: number[] = []
    let known = position
    for (let i = 0; i < 10; i++) {
      const changed = data.changed(known, 5000, new AbortController().signal).then(() => performance.now())
      known = (await redis.writer.setEntries('n', [entry('k')], soon())).position
      const written = performance.now()
      times.push((await changed) - written)
      await vi.waitFor(() => expect(data.newestClock).toEqual(known), 5000)
    }
    // By asking twice a second alone, half of them would take over 250 ms.
    expect(times.sort((a, b) => a - b)[5]).toBeLessThan(100)
  } finally {
    tracking.stop()
    connection.stop()
  }
})

it('says DATA_UNAVAILABLE for a primary that Redis itself keeps from writing, and answers what demands no claim', async () => {
  await using redis = await startClaimedRedis()
  await redis.writer.setEntries('n', [entry('a')], soon())
  await redis.process.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
  const read = (primary: boolean) => redis.data.readEntries('n', ['a'], { primary, bytesMax: 10 })
  await expect(read(true)).rejects.toMatchObject({ details: { reason: 'DATA_UNAVAILABLE' } })
  expect((await read(false)).entries[0]).toMatchObject({ key: 'a' })
})

it('says DATA_UNAVAILABLE for an empty Redis, one that is loading nothing it knows, and one that is down', async () => {
  await using process = await startRedis()
  const keys = new Keys('pg')
  const url = `redis://${process.host}:${process.port}`
  const connection = new RedisConnection({ url, name: 'spec', timeoutMs: 300, log })
  const history = new HistoryReader({ connection, keys })
  const tracking = new Tracking({ url, keys, timeoutMs: 300, log })
  const watch = new ClockWatch({ connection, keys, tracking })
  const primaryClock = { nowMs: () => Date.now(), uncertaintyMs: () => 1 }
  const data = new DataRedis({ reads: connection, bulk: connection, keys, history, watch, primaryClock })
  const unavailable = { details: { reason: 'DATA_UNAVAILABLE' } }
  const get = () => data.readEntries('n', ['k'], { primary: false, bytesMax: 1 })
  try {
    await expect(get()).rejects.toMatchObject(unavailable)
    connection.start()
    await vi.waitFor(() => expect(connection.ready).toBe(true), 5000)
    await expect(get()).rejects.toMatchObject(unavailable)
    await expect(data.indexes()).rejects.toMatchObject(unavailable)
    await process.kill('SIGSTOP')
    const startedMs = performance.now()
    await expect(get()).rejects.toMatchObject(unavailable)
    expect(performance.now() - startedMs).toBeLessThan(1000)
  } finally {
    connection.stop()
  }
})
