import type { RedisProcess } from '@perigee/embedded-redis'

/** What keeps changing by itself. */
const RESTLESS = /:(heartbeat|probe)$/

/** All that a data Redis holds, key by key, but for heartbeats: equal before and after when nothing was written. */
export async function storeContents(redis: RedisProcess): Promise<ReadonlyMap<string, string>> {
  const contents = new Map<string, string>()
  const keys = ((await redis.command('KEYS', '*')) as string[]).filter((key) => !RESTLESS.test(key)).sort()
  for (const key of keys) contents.set(key, await contentOf(redis, key))
  return contents
}

async function contentOf(redis: RedisProcess, key: string): Promise<string> {
  const type = String(await redis.command('TYPE', key))
  const read: Record<string, string[]> = {
    string: ['GET', key],
    hash: ['HGETALL', key],
    set: ['SMEMBERS', key],
    zset: ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
    stream: ['XRANGE', key, '-', '+'],
  }
  return JSON.stringify(await redis.command(...((read[type] ?? ['TYPE', key]) as [string, ...string[]])))
}
