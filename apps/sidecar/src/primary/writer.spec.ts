import { formatPosition } from '@perigee/core'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type ClaimedRedis, soon, startClaimedRedis } from './claimed-redis.spec-support.ts'
import type { ChunkWrite, EntryWrite, NewIndex } from './writer.ts'

let redis: ClaimedRedis
let namespaces = 0

beforeAll(async () => {
  redis = await startClaimedRedis()
})

afterAll(() => redis[Symbol.asyncDispose]())

function fresh(): string {
  namespaces += 1
  return `ns-${namespaces}`
}

function entry(key: string, value = 'v', more: Partial<EntryWrite> = {}): EntryWrite {
  return { key, value: Buffer.from(value), contentType: 'text/plain', ...more }
}

async function read(namespace: string, key: string) {
  const { entries } = await redis.data.readEntries(namespace, [key], { primary: true, bytesMax: 1e6 })
  return entries[0] as Exclude<(typeof entries)[0], 'unread'>
}

const refused = (reason: string) => ({ details: expect.objectContaining({ reason }) })

it('keeps value, content type, version and times of an entry, to the microsecond', async () => {
  const namespace = fresh()
  const value = Buffer.from([0, 255, 10, 13])
  const outcome = await redis.writer.setEntries(
    namespace,
    [entry('ключ', '', { value, ttlMs: 60_000 })],
    soon(),
  )
  const stored = await read(namespace, 'ключ')
  expect(stored).toMatchObject({ contentType: 'text/plain', position: outcome.position })
  expect(Buffer.from(stored?.value ?? [])).toEqual(value)
  expect(stored?.writtenAtMs).toBe(outcome.writtenAtMs)
  expect(stored?.expiresAtMs).toBeCloseTo(outcome.writtenAtMs + 60_000, 2)
  expect(Math.abs(outcome.writtenAtMs - Date.now())).toBeLessThan(5000)
})

it('takes one position an entry, in order, and the clock follows', async () => {
  const namespace = fresh()
  const before = await redis.data.clock({ primary: true })
  const { positions } = await redis.writer.setEntries(namespace, [entry('a'), entry('b'), entry('c')], soon())
  expect(positions.map((p) => p.seq)).toEqual([1, 2, 3].map((n) => before.seq + n))
  expect(await redis.data.clock({ primary: true })).toEqual(positions[2])
})

it('hides an entry that has expired, and lets Redis remove it later by the skew allowance', async () => {
  const namespace = fresh()
  await redis.writer.setEntries(namespace, [entry('gone', 'v', { expiresAtMs: Date.now() - 1 })], soon())
  expect(await read(namespace, 'gone')).toBeUndefined()
  const ttl = Number(await redis.connection.call('PTTL', redis.keys.entry(namespace, 'gone')))
  expect(ttl).toBeGreaterThan(55_000)
  expect(ttl).toBeLessThanOrEqual(60_000)
})

it('refuses a write whose precondition does not hold, and changes nothing', async () => {
  const namespace = fresh()
  const write = (value: string, precondition: { exists: boolean } | { version: string }) =>
    redis.writer.setEntries(namespace, [entry('k', value)], { ...soon(), precondition })
  await expect(write('1', { exists: true })).rejects.toMatchObject(refused('PRECONDITION_FAILED'))
  await expect(write('1', { version: '1-1' })).rejects.toMatchObject(refused('PRECONDITION_FAILED'))
  const first = await write('1', { exists: false })
  await expect(write('2', { exists: false })).rejects.toMatchObject(refused('PRECONDITION_FAILED'))
  const clock = await redis.data.clock({ primary: true })
  const second = await write('2', { version: formatPosition(first.position) })
  expect(second.position.seq).toBe(clock.seq + 1)
  await expect(write('3', { version: formatPosition(first.position) })).rejects.toMatchObject(
    refused('PRECONDITION_FAILED'),
  )
  expect(String((await read(namespace, 'k'))?.value)).toBe('2')
})

it('takes an expired entry for absent in a precondition', async () => {
  const namespace = fresh()
  await redis.writer.setEntries(namespace, [entry('k', 'old', { expiresAtMs: Date.now() - 1 })], soon())
  const absent = { ...soon(), precondition: { exists: false } }
  await redis.writer.setEntries(namespace, [entry('k', 'new')], absent)
  expect(String((await read(namespace, 'k'))?.value)).toBe('new')
})

it('counts and gives positions to those deletes that found something', async () => {
  const namespace = fresh()
  const { position } = await redis.writer.setEntries(namespace, [entry('a'), entry('b')], soon())
  const outcome = await redis.writer.deleteEntries(namespace, ['a', 'nope', 'a', 'b'], soon())
  expect(outcome.found).toBe(2)
  expect(outcome.position.seq).toBe(position.seq + 2)
  const nothing = await redis.writer.deleteEntries(namespace, ['a'], soon())
  expect(nothing).toMatchObject({ found: 0, position: outcome.position })
})

it('gives the first answer again for the same request id of the same method and namespace, and writes once', async () => {
  const namespace = fresh()
  const demand = { ...soon(), requestId: 'r1' }
  const first = await redis.writer.setEntries(namespace, [entry('k', 'first')], demand)
  await redis.writer.setEntries(namespace, [entry('k', 'later')], soon())
  const again = await redis.writer.setEntries(namespace, [entry('k', 'first')], demand)
  expect(again).toEqual(first)
  expect(String((await read(namespace, 'k'))?.value)).toBe('later')
  const elsewhere = await redis.writer.setEntries(fresh(), [entry('k', 'first')], demand)
  expect(elsewhere.position).not.toEqual(first.position)
  const deleted = await redis.writer.deleteEntries(namespace, ['k'], demand)
  expect(deleted.found).toBe(1)
  expect((await redis.writer.deleteEntries(namespace, ['k'], demand)).found).toBe(1)
})

it('refuses a write that comes after its deadline', async () => {
  const namespace = fresh()
  const { keys, library, claim } = redis
  const shared = [keys.clock, keys.log, keys.done, keys.doneBefore]
  const late = [claim.epoch ?? 0, Date.now() - 1, '0', 1000]
  const call = library.call(
    'set_entries',
    [...shared, keys.cleared(namespace), keys.entry(namespace, 'k')],
    [...late, '', 'v', '', '', ''],
  )
  await expect(call).rejects.toThrow('EXPIRED')
  expect(await read(namespace, 'k')).toBeUndefined()
})

it('forgets a namespace at once, and no other', async () => {
  const namespace = fresh()
  const other = fresh()
  await redis.writer.setEntries(namespace, [entry('k')], soon())
  await redis.writer.setEntries(other, [entry('k')], soon())
  await redis.writer.clearNamespace(namespace, soon())
  expect(await read(namespace, 'k')).toBeUndefined()
  expect(await read(other, 'k')).toBeDefined()
  await redis.writer.setEntries(namespace, [entry('k', 'new')], soon())
  expect(String((await read(namespace, 'k'))?.value)).toBe('new')
})

function index(namespace: string, name = 'docs'): NewIndex {
  return {
    ...{ namespace, name, dimensions: 1, metric: 'COSINE', vectorType: 'FLOAT32', regionScoped: false },
    ...{ algorithm: { kind: 'FLAT' }, model: { id: 'm', revision: '1' }, attributes: [] },
  }
}

function chunk(id: string, more: Partial<ChunkWrite> = {}): ChunkWrite {
  const vector = Buffer.from(Float32Array.of(1).buffer)
  return { id, text: `text of ${id}`, vector, metadata: '{"a":1}', regionTags: [], ...more }
}

it('keeps an index definition with its uid, the position of its creation; a name is taken until it is dropped', async () => {
  const namespace = fresh()
  const { definition, outcome } = await redis.writer.createIndex(index(namespace), soon())
  expect(definition.uid).toBe(formatPosition(outcome.position))
  expect((await redis.data.named(namespace, 'docs')).indexes).toEqual([definition])
  expect((await redis.data.indexes()).indexes).toContainEqual(definition)
  await expect(redis.writer.createIndex(index(namespace), soon())).rejects.toMatchObject(
    refused('INDEX_EXISTS'),
  )
  await redis.writer.dropIndex(namespace, 'docs', soon())
  await expect(redis.writer.dropIndex(namespace, 'docs', soon())).rejects.toMatchObject(
    refused('INDEX_NOT_FOUND'),
  )
  const again = await redis.writer.createIndex(index(namespace), soon())
  expect(again.definition.uid).not.toBe(definition.uid)
})

it('logs chunks as they are written, each entry naming the one before, and reads them back with the log', async () => {
  const namespace = fresh()
  const { definition, outcome } = await redis.writer.createIndex(index(namespace), soon())
  const written = await redis.writer.upsertChunks(
    definition,
    [chunk('a'), chunk('b:1', { regionTags: ['x', 'y'] })],
    soon(),
  )
  const deleted = await redis.writer.deleteChunks(definition, ['a', 'nope'], soon())
  expect(deleted.found).toBe(1)
  const batch = await redis.data.read(outcome.position, 100)
  expect(batch.entries.map((e) => [e.operation, e.chunkId])).toEqual([
    ['upsert', 'a'],
    ['upsert', 'b:1'],
    ['delete', 'a'],
  ])
  expect(batch.entries.map((e) => e.position)).toEqual([...written.positions, deleted.position])
  expect(batch.entries.map((e) => e.previous)).toEqual([outcome.position, ...written.positions])
  expect(batch.chunks).toHaveLength(1)
  expect(batch.chunks[0]).toMatchObject({
    ...chunk('b:1', { regionTags: ['x', 'y'] }),
    indexUid: definition.uid,
    position: written.positions[1],
    writtenAtMs: written.writtenAtMs,
  })
  expect(batch.clock).toEqual(deleted.position)
  expect(batch.newest).toEqual(deleted.position)
})

it('deletes chunks of the versions named, and spares those that were written anew meanwhile', async () => {
  const { definition } = await redis.writer.createIndex(index(fresh()), soon())
  const written = await redis.writer.upsertChunks(
    definition,
    ['a', 'b', 'c'].map((id) => chunk(id)),
    soon(),
  )
  await redis.writer.upsertChunks(definition, [chunk('b')], soon())
  await redis.writer.deleteChunks(definition, ['c'], soon())
  const versions = written.positions.map(formatPosition)
  const deleted = await redis.writer.deleteChunks(definition, ['a', 'b', 'c'], soon(), versions)
  expect(deleted).toMatchObject({ found: 1, positions: { length: 1 } })
  const demand = { primary: true, fields: 'position', bytesMax: 1e6 } as const
  const { chunks } = await redis.data.readChunks(definition.uid, ['a', 'b', 'c'], demand)
  expect(chunks.map((found) => typeof found === 'object' && found.id)).toEqual([false, 'b', false])
})

it('writes chunks only over the versions expected, and leaves the others out', async () => {
  const namespace = fresh()
  const { definition } = await redis.writer.createIndex(index(namespace), soon())
  const first = await redis.writer.upsertChunks(definition, [chunk('a'), chunk('b'), chunk('c')], soon())
  const [a, b] = first.positions.map(formatPosition)
  await redis.writer.upsertChunks(definition, [chunk('b')], soon())
  await redis.writer.upsertChunks(definition, [chunk('gone', { ttlMs: 1 })], soon())
  await vi.waitFor(async () => {
    const demand = { primary: true, fields: 'position', bytesMax: 1e6 } as const
    const { chunks } = await redis.data.readChunks(definition.uid, ['gone'], demand)
    expect(chunks).toEqual([undefined])
  })
  const ids = ['a', 'b', 'c', 'new', 'gone']
  const chunks = ids.map((id) => chunk(id))
  const outcome = await redis.writer.upsertChunks(definition, chunks, soon(), [a ?? '', b ?? '', '', '', ''])
  // Not b, which has another version, nor c, which is there.
  expect(outcome.positions.length).toBe(3)
  const any = await redis.writer.upsertChunks(definition, [chunk('b'), chunk('x')], soon(), ['*', '1-1'])
  expect(any.positions.length).toBe(1)
})

it('refuses chunks for an index that was dropped and made again meanwhile', async () => {
  const namespace = fresh()
  const { definition } = await redis.writer.createIndex(index(namespace), soon())
  await redis.writer.dropIndex(namespace, 'docs', soon())
  await redis.writer.createIndex(index(namespace), soon())
  const write = redis.writer.upsertChunks(definition, [chunk('a')], soon())
  await expect(write).rejects.toMatchObject(refused('INDEX_NOT_FOUND'))
  await expect(redis.writer.deleteChunks(definition, ['a'], soon())).rejects.toMatchObject(
    refused('INDEX_NOT_FOUND'),
  )
})

it('deletes expired chunks with an entry in the log, and spares those that were written again', async () => {
  const namespace = fresh()
  const { definition } = await redis.writer.createIndex(index(namespace), soon())
  await redis.writer.upsertChunks(
    definition,
    [chunk('old', { ttlMs: 1 }), chunk('kept', { ttlMs: 60_000 })],
    soon(),
  )
  const clock = await redis.data.clock({ primary: true })
  await expect
    .poll(async () => (await redis.writer.expireChunks(definition.uid, ['old', 'kept'], soon())).position.seq)
    .toBe(clock.seq + 1)
  const { chunks } = await redis.data.chunks(definition.uid, ['old', 'kept'], 'position')
  expect(chunks).toMatchObject([undefined, { id: 'kept' }])
  const { entries } = await redis.data.read(clock, 10)
  expect(entries).toMatchObject([{ operation: 'delete', chunkId: 'old' }])
})

it('trims the log to about what is configured, and keeps the newest', async () => {
  const namespace = fresh()
  const { definition } = await redis.writer.createIndex(index(namespace), soon())
  let position = definition.uid
  for (let i = 0; i < 6; i++) {
    const ids = Array.from({ length: 500 }, (_, n) => chunk(`${i}-${n}`))
    position = formatPosition((await redis.writer.upsertChunks(definition, ids, soon())).position)
  }
  const length = Number(await redis.connection.call('XLEN', redis.keys.log))
  expect(length).toBeGreaterThanOrEqual(1000)
  expect(length).toBeLessThan(1500)
  expect(formatPosition((await redis.data.read({ epoch: 0, seq: 0 }, 1)).newest)).toBe(position)
})

it('tells OUT_OF_MEMORY and still deletes and renews when Redis has reached its maxmemory', async () => {
  await using full = await startClaimedRedis()
  await full.writer.setEntries('n', [entry('k')], soon())
  await full.connection.call('CONFIG', 'SET', 'maxmemory', '1mb')
  await full.connection.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await expect(full.writer.setEntries('n', [entry('k2')], soon())).rejects.toMatchObject(
    refused('OUT_OF_MEMORY'),
  )
  await full.claim.refresh()
  expect(full.claim.state.kind).toBe('claimed')
  expect((await full.writer.deleteEntries('n', ['k'], soon())).found).toBe(1)
})
