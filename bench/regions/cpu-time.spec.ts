import { expect, test } from 'vitest'
import { cpuSeconds, withCpuTime } from './cpu-time.ts'

test('user and system time are added, whatever the process is called', () => {
  const stat = '42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 11 0 12345'
  expect(cpuSeconds(stat)).toBe(3)
})

test('a process that computes all the time takes a good part of a core', async () => {
  const sample = await withCpuTime({ client: process.pid }, async () => {
    const from = process.cpuUsage()
    while (process.cpuUsage(from).user < 200_000);
    return { calls: 1 }
  })
  expect(sample.calls).toBe(1)
  expect(sample.clientCpuPercent).toBeGreaterThan(5)
})
