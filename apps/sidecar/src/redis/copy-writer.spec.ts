import { type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { CopyWriter } from './copy-writer.ts'
import { IndexRedis } from './index-redis.ts'
import { Keys } from './keys.ts'

const log = pino({ level: 'silent' })
const keys = new Keys('pg')
let redis: RedisProcess
let index: IndexRedis
let copies: CopyWriter

beforeAll(async () => {
  redis = await startRedis({ search: true })
  index = new IndexRedis({ url: redis.url, log, name: 'spec' })
  index.start()
  await vi.waitFor(() => expect(index.usable).toBe(true))
})

beforeEach(async () => {
  await redis.command('FLUSHALL')
  copies = new CopyWriter({ redis: index, keys, tagSeparator: ',' })
})

afterAll(async () => {
  index.stop()
  await redis[Symbol.asyncDispose]()
})

const put = (...ids: string[]) =>
  copies.encode(ids.map((id) => ({ kind: 'put', indexUid: '1-1', id, fields: ['version', id] })))
const revision = (number: number) => new Map([['revision', String(number)]])

/** Commits one copy, and sends the commit of another one ahead meanwhile. */
async function withOneAhead() {
  await copies.watchCheckpoint()
  const first = copies.commit([put('a')], revision(1))
  const ahead = put('b')
  copies.commitAhead(ahead, revision(2))
  expect(await first).toBe(true)
  return ahead
}

const written = async () => [
  await redis.command('HGET', keys.checkpoint, 'revision'),
  await redis.command('ZRANGE', keys.copyIds('1-1'), '0', '-1'),
]

it('writes of two changes of one copy the later one', async () => {
  await copies.watchCheckpoint()
  const change = { kind: 'put', indexUid: '1-1', id: 'a' } as const
  const changes = [
    { ...change, fields: ['version', '1', 'expires_at', '5'] },
    { ...change, fields: ['version', '2'] },
  ]
  expect(await copies.commit([copies.encode(changes)], revision(1))).toBe(true)
  expect(await redis.command('HGETALL', keys.copy('1-1', 'a'))).toEqual(['version', '2'])
  await copies.watchCheckpoint()
  const gone = { kind: 'remove', indexUid: '1-1', id: 'a' } as const
  expect(await copies.commit([put('a'), copies.encode([gone])], revision(2))).toBe(true)
  expect(await written()).toEqual(['2', []])
  expect(await redis.command('EXISTS', keys.copy('1-1', 'a'))).toBe(0)
})

it('runs a commit that was sent ahead, and not before it is asked for', async () => {
  const ahead = await withOneAhead()
  expect(await copies.watchCheckpoint()).toEqual(revision(1))
  expect(await written()).toEqual(['1', ['a']])
  expect(await copies.commit([ahead], revision(2))).toBe(true)
  expect(await written()).toEqual(['2', ['a', 'b']])
})

it('takes back what was sent ahead when something else is to be committed', async () => {
  await withOneAhead()
  await copies.watchCheckpoint()
  expect(await copies.commit([put('c')], revision(2))).toBe(true)
  expect(await written()).toEqual(['2', ['a', 'c']])
})

it('takes back what was sent ahead when something else is asked, and still commits it', async () => {
  const ahead = await withOneAhead()
  await copies.watchCheckpoint()
  expect(await copies.ids('1-1', undefined, 10)).toEqual(['a'])
  expect(await copies.commit([ahead], revision(2))).toBe(true)
  expect(await written()).toEqual(['2', ['a', 'b']])
})

it.each(['as it is', 'taken back', 'taken back, with other changes'])(
  'commits nothing of what was sent ahead once another follower has written: %s',
  async (how) => {
    const ahead = await withOneAhead()
    expect(await copies.watchCheckpoint()).toEqual(revision(1))
    if (how !== 'as it is') await copies.ids('1-1', undefined, 10)
    await redis.command('HSET', keys.checkpoint, 'revision', '7')
    const changes = how.endsWith('changes') ? [put('c')] : [ahead]
    expect(await copies.commit(changes, revision(2))).toBe(false)
    expect(await written()).toEqual(['7', ['a']])
    expect(await copies.watchCheckpoint()).toEqual(revision(7))
  },
)

it('writes nothing of what was sent ahead over a connection that was lost', async () => {
  const ahead = await withOneAhead()
  await copies.watchCheckpoint()
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
  await expect.poll(() => index.usable).toBe(false)
  await expect.poll(() => index.usable).toBe(true)
  // The watch is lost with the connection; the checkpoint is as it was, so it may be written all the same, whole.
  expect(await copies.commit([ahead], revision(2))).toBe(true)
  expect(await written()).toEqual(['2', ['a', 'b']])
})

it('tells why a commit failed, be it refused or undone by half', async () => {
  await redis.command('SET', keys.copyIds('1-1'), 'no list')
  await copies.watchCheckpoint()
  await expect(copies.commit([put('a')], revision(1))).rejects.toThrow('WRONGTYPE')
  await redis.command('CONFIG', 'SET', 'maxmemory', '1')
  try {
    await copies.watchCheckpoint()
    await expect(copies.commit([put('a')], revision(2))).rejects.toThrow('OOM')
  } finally {
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  }
})
