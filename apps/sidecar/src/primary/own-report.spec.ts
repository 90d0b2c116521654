import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { ClockWatch } from '../redis/clock-watch.ts'
import { RedisConnection } from '../redis/connection.ts'
import { FunctionLibrary } from '../redis/function-library.ts'
import { Keys } from '../redis/keys.ts'
import { Tracking } from '../redis/tracking.ts'
import { ClaimMemory } from './claim-memory.ts'
import { startClaimedRedis } from './claimed-redis.spec-support.ts'
import { OwnRedis } from './own-redis.ts'
import { OwnReporter } from './own-report.ts'
import { RedisTime } from './redis-time.ts'

const log = pino({ level: 'silent' })
const keys = new Keys('pg')

it('is not of a process that is gone, though another one answers already', async () => {
  await using gone = await startRedis()
  await using next = await startRedis()
  const connect = (name: string, { host, port }: typeof gone) =>
    new RedisConnection({ name, url: `redis://${host}:${port}`, timeoutMs: 1000, log })
  // As when the data Redis starts anew and one of the connections is back before the other.
  const control = connect('control', gone)
  const reads = connect('reads', next)
  const library = new FunctionLibrary(control)
  const own = new OwnRedis({ library, keys, redisTime: new RedisTime() })
  const memory = new ClaimMemory({ redis: reads, keys, log })
  const tracking = new Tracking({ url: `redis://${next.host}:${next.port}`, keys, timeoutMs: 1000, log })
  const watch = new ClockWatch({ connection: reads, keys, tracking })
  const reporter = new OwnReporter({ reads, keys, watch, own, memory })
  try {
    for (const connection of [control, reads]) connection.start()
    await vi.waitFor(() => expect([control.ready, reads.ready]).toEqual([true, true]), 5000)
    await memory.rememberWhole((await reporter.read()).runId)
    await gone.kill()
    await vi.waitFor(() => expect(control.ready).toBe(false), 5000)
    await expect(reporter.read()).rejects.toMatchObject({ details: { reason: 'DATA_UNAVAILABLE' } })
  } finally {
    for (const connection of [control, reads]) connection.stop()
  }
})

it('says that a process is whole which a sidecar before this one knew to be, though nobody is there to follow', async () => {
  await using process = await startRedis()
  const runId = /run_id:(\w+)/.exec(String(await process.command('INFO', 'server')))?.[1] ?? ''
  await process.command('SET', keys.wholeRun, runId)
  await process.command('SET', keys.clock, '5-7')
  await process.command('REPLICAOF', '127.0.0.1', '1')
  const kept = Object.assign(Object.create(process), { [Symbol.asyncDispose]: async () => {} })
  await using redis = await startClaimedRedis({ process: kept, regions: ['here', 'there'], primary: 'there' })
  expect(redis.claim.state.kind).toBe('replica')
  const { connection: reads, library } = redis
  const tracking = new Tracking({
    url: `redis://${process.host}:${process.port}`,
    keys,
    timeoutMs: 1000,
    log,
  })
  const watch = new ClockWatch({ connection: reads, keys, tracking })
  const own = new OwnRedis({ library, keys, redisTime: new RedisTime() })
  const reporter = new OwnReporter({ reads, keys, watch, own, memory: redis.memory })
  expect(await reporter.read()).toMatchObject({ held: { epoch: 5, seq: 7 }, justRestarted: false })
})
