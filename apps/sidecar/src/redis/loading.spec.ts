import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { RedisConnection } from './connection.ts'
import { readRedisInfo } from './redis-info.ts'

it('tells a Redis that loads its data from one that is down, where that is asked for', async () => {
  await using redis = await startRedis({
    config: [
      ['appendonly', 'no'],
      ['key-load-delay', 1_000],
      ['loading-process-events-interval-bytes', 1_024],
    ],
  })
  await redis.command('EVAL', "for i = 1, 1500 do redis.call('SET', i, string.rep('x', 100)) end", '0')
  await redis.command('SAVE')
  const log = pino({ level: 'silent' })
  const connection = { url: redis.url, timeoutMs: 5_000, log }
  const usual = new RedisConnection({ ...connection, name: 'usual' })
  const info = new RedisConnection({ ...connection, name: 'info', whileLoading: true })
  try {
    usual.start()
    info.start()
    await vi.waitFor(async () => expect(await readRedisInfo(info)).toMatchObject({ loading: false }))
    await redis.kill()
    await vi.waitFor(() => expect(readRedisInfo(info)).rejects.toMatchObject({ kind: 'down' }))
    const started = redis.start()
    await vi.waitFor(async () => expect(await readRedisInfo(info)).toMatchObject({ loading: true }), 5_000)
    expect(usual.ready).toBe(false)
    await started
    await vi.waitFor(async () => expect(await readRedisInfo(info)).toMatchObject({ loading: false }), 5_000)
    await vi.waitFor(() => expect(usual.ready).toBe(true), 5_000)
  } finally {
    usual.stop()
    info.stop()
  }
})
