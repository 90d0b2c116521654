import { setTimeout as pause } from 'node:timers/promises'
import { type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { KEYS, plainKeyOf, valueFor } from '../input/value.ts'
import type { Place } from '../regions/place.ts'
import { Driver } from './driver.ts'

let redis: RedisProcess
let client: Redis
beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(place().dataRedis)
})
afterAll(async () => {
  client.disconnect()
  await redis[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await client.mset(Array.from({ length: KEYS }, (_, n) => [plainKeyOf(n), valueFor(n)]).flat())
})

/** Of what a plain Redis side looks at. */
function place(): Place {
  const { host, port } = redis.address
  return { dataRedis: `redis://${host}:${port}` } as Place
}

const turn = { inFlight: 4, forMs: 100, round: 0 }

test('a side plays in a process of its own, turn after turn', async () => {
  await using driver = await Driver.open('ioredis-get', place())
  expect(driver.pid).not.toBe(process.pid)
  for (const round of [0, 1]) {
    const { calls, perSecond, p50Ms } = await driver.turn({ ...turn, round })
    expect(calls).toBeGreaterThan(10)
    expect(perSecond).toBeGreaterThan(100)
    expect(p50Ms).toBeGreaterThan(0)
  }
})

test('one wrong answer among many fails the turn', async () => {
  await using driver = await Driver.open('ioredis-get', place())
  await client.set(plainKeyOf(7), valueFor(8))
  await expect(driver.turn({ ...turn, forMs: 5_000 })).rejects.toThrow('key-7 gave 1024 other bytes')
})

test('a turn can be stopped; what it has done counts', async () => {
  await using driver = await Driver.open('ioredis-get', place())
  const going = driver.turn({ ...turn, forMs: 60_000 })
  await pause(100)
  driver.stop()
  expect((await going).calls).toBeGreaterThan(0)
})

test('a process that ends within a turn fails it', async () => {
  await using driver = await Driver.open('ioredis-get', place())
  const going = driver.turn({ ...turn, forMs: 60_000 })
  const failed = expect(going).rejects.toThrow('the process of ioredis-get ended')
  await pause(50)
  process.kill(driver.pid, 'SIGKILL')
  await failed
})

test('a side that nobody knows is not opened', async () => {
  await expect(Driver.open('nonsense', place())).rejects.toThrow('there is no side nonsense')
})
