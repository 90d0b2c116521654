import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { closedLoop, oneByOne, paced } from './load.ts'

test('so many calls are in flight at once, and each is counted', async () => {
  let [under, most, ended] = [0, 0, 0]
  const call = async () => {
    most = Math.max(most, ++under)
    await pause(2)
    under--
    ended++
  }
  const sample = await closedLoop(call, { inFlight: 32, forMs: 60 })
  expect(most).toBe(32)
  expect(under).toBe(0)
  expect(sample.calls).toBe(ended)
  expect(sample.p50Ms).toBeGreaterThan(1)
})

test('a failed call fails the turn', async () => {
  const call = async (n: number) => {
    await pause(1)
    if (n === 40) throw new Error('a wrong answer')
  }
  await expect(closedLoop(call, { inFlight: 8, forMs: 10_000 })).rejects.toThrow('a wrong answer')
  await expect(paced(call, { perSecond: 2_000, forMs: 10_000 })).rejects.toThrow('a wrong answer')
})

test('a turn can be stopped', async () => {
  const call = () => pause(1)
  const stop = AbortSignal.timeout(50)
  await closedLoop(call, { inFlight: 2, forMs: 600_000, stop })
  await paced(call, { perSecond: 100, forMs: 600_000, stop })
})

test('a pace is kept, however slow the answers are', async () => {
  const { perSecond, calls } = await paced(() => pause(100), { perSecond: 1_000, forMs: 300 })
  expect(perSecond).toBeGreaterThan(700)
  expect(perSecond).toBeLessThan(1_050)
  expect(calls).toBeGreaterThan(200)
})

test('figures of calls one by one may be below zero', async () => {
  const sample = await oneByOne(async (n) => n - 2, 5)
  expect(sample).toEqual({ p50Ms: 0, p99Ms: 1, calls: 5 })
})
