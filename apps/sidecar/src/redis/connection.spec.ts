import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { RedisConnection } from './connection.ts'

const log = pino({ level: 'silent' })
const TIMEOUT_MS = 300

async function connected(url: string): Promise<RedisConnection> {
  const connection = new RedisConnection({ name: 'spec', url, timeoutMs: TIMEOUT_MS, log })
  onTestFinished(() => connection.stop())
  connection.start()
  await vi.waitFor(() => expect(connection.ready).toBe(true), 5_000)
  return connection
}

/** Keeps this process from doing anything else. */
function standStill(forMs: number): void {
  for (const untilMs = performance.now() + forMs; performance.now() < untilMs; );
}

it('gives up a Redis that is silent, soon, and comes back', async () => {
  await using redis = await startRedis()
  const connection = await connected(redis.url)
  await redis.kill('SIGSTOP')
  const startedMs = performance.now()
  const asked = [connection.call('PING'), connection.call('PING')]
  for (const call of asked) await expect(call).rejects.toMatchObject({ kind: 'lost' })
  expect(performance.now() - startedMs).toBeGreaterThan(TIMEOUT_MS - 20)
  expect(performance.now() - startedMs).toBeLessThan(4 * TIMEOUT_MS)
  await redis.kill('SIGCONT')
  await vi.waitFor(() => expect(connection.call('PING')).resolves.toBe('PONG'), 5_000)
})

it('takes no Redis for silent whose answers it hadn’t the time to read', async () => {
  await using redis = await startRedis()
  const connection = await connected(redis.url)
  for (let i = 0; i < 3; i++) {
    const asked = Array.from({ length: 10 }, () => connection.call('PING'))
    standStill(3 * TIMEOUT_MS)
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['PONG']))
  }
  expect(connection.connects).toBe(1)
})
