import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { findRedis, type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readStoreLife } from './append-only-file.ts'

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

it('tells entries, chunks and claims of a Redis in the order in which it wrote them, also when its end was cut off', async () => {
  await redis.command('XADD', 'pg:{0}:log', '1000-0', 'op', 'claim', 'uid', '', 'id', '', 'previous', '0-0')
  await set('k1', 1, 'first\r\n$3\r\n')
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
  await redis.stop()

  const source = 'a Redis'
  const life = readStoreLife(redis.dir, source, 'spaces')
  const writes = [
    { at: '1000-1', item: 'entry:k1', value: 'first\r\n$3\r\n', source },
    { at: '1000-2', item: 'entry:other', value: 'x', source },
    { at: '1000-3', item: 'chunk:c1', value: 'a text', source },
  ]
  const claims = [
    { epoch: 1000, from: undefined, source },
    { epoch: 2000, from: '1000-3', source },
  ]
  expect(life).toEqual({ writes, claims })

  const folder = join(redis.dir, 'appendonlydir')
  const file = join(folder, readdirSync(folder).find((name) => name.endsWith('.incr.aof')) ?? '')
  truncateSync(file, statSync(file).size - 200)
  expect(readStoreLife(redis.dir, source, 'spaces')).toEqual({ writes, claims: claims.slice(0, 1) })
})
