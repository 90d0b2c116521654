import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { findRedis, type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { AppendOnlyFile } from './append-only-file.ts'

let redis: RedisProcess

beforeAll(async () => {
  const config = [
    ['appendonly', 'yes'],
    ['save', ''],
  ] as const
  redis = await startRedis({ installation: await findRedis(), config })
})
afterAll(() => redis?.[Symbol.asyncDispose]())

/** Writes an entry as the sidecar's functions do. */
function set(name: string, seq: number, value: string): Promise<unknown> {
  const script = `
    local header = struct.pack('>BI8I8I8I8B', 1, 1000, tonumber(ARGV[1]), 0, 0, 4)
    redis.call('SET', KEYS[1], header .. 'json' .. ARGV[2])`
  return redis.command('EVAL', script, '1', `pg:{0}:kv:spaces:${name}`, String(seq), JSON.stringify(value))
}

it('tells entries, chunks and claims of a Redis in the order in which it wrote them, each once, also when its end is cut off', async () => {
  const source = 'a Redis'
  const options = { dir: redis.dir, source, namespace: 'spaces' }
  const file = new AppendOnlyFile(options)
  await redis.command('XADD', 'pg:{0}:log', '1000-0', 'op', 'claim', 'uid', '', 'id', '', 'previous', '0-0')
  await set('k1', 1, 'first\r\n$3\r\n')
  const first = { at: '1000-1', item: 'entry:k1', value: 'first\r\n$3\r\n', source }
  expect(file.news()).toEqual({ writes: [first], claims: [{ epoch: 1000, from: undefined, source }] })
  expect(file.news()).toEqual({ writes: [], claims: [] })

  await set('other', 2, 'x')
  await redis.command('SET', 'pg:{0}:kv:elsewhere:k1', 'of another namespace')
  const chunk = ['text', 'a text', 'vector', '\r\n', 'position', '1000-3', 'expires', '']
  await redis.command('HSET', 'pg:{0}:chunk:1000-1:c1', ...chunk)
  await redis.command('HSET', 'pg:{0}:forks', '1000', '3')
  await redis.command(
    'XADD',
    'pg:{0}:log',
    '2000-3',
    'op',
    'claim',
    'uid',
    '',
    'id',
    '',
    'previous',
    '1000-0',
  )
  await redis.command(
    'XADD',
    'pg:{0}:log',
    '2000-4',
    'op',
    'upsert',
    'uid',
    '1000-1',
    'id',
    'c1',
    'previous',
    '2',
  )
  const later = [
    { at: '1000-2', item: 'entry:other', value: 'x', source },
    { at: '1000-3', item: 'chunk:c1', value: 'a text', source },
  ]
  expect(file.news()).toEqual({ writes: later, claims: [{ epoch: 2000, from: '1000-3', source }] })

  await redis.stop()
  const folder = join(redis.dir, 'appendonlydir')
  const path = join(folder, readdirSync(folder).find((name) => name.endsWith('.incr.aof')) ?? '')
  truncateSync(path, statSync(path).size - 200)
  await redis.start()
  await set('k2', 4, 'after the cut')
  const after = { at: '1000-4', item: 'entry:k2', value: 'after the cut', source }
  expect(file.news().writes.at(-1)).toEqual(after)
  expect(new AppendOnlyFile(options).news().writes).toEqual([first, ...later, after])
})
