import { startRedis } from '@perigee/embedded-redis'
import { expect, it } from 'vitest'
import { ScanProgress } from './scan-progress.ts'

it("tells how much of Redis's SCAN is done: never less than before once it knows the table, and all at the end", async () => {
  await using redis = await startRedis()
  for (let i = 0; i < 20; i++) {
    await redis.command('MSET', ...Array.from({ length: 500 }, (_, j) => [`k${i}-${j}`, '']).flat())
  }
  const progress = new ScanProgress()
  const parts: number[] = []
  let cursor = '0'
  do {
    const [next] = (await redis.command('SCAN', cursor, 'COUNT', '500')) as [string]
    cursor = next
    parts.push(progress.at(cursor))
  } while (cursor !== '0')
  expect(parts.length).toBeGreaterThan(10)
  const late = parts.slice(3)
  expect(late).toEqual([...late].sort((a, b) => a - b))
  expect(parts.at(-1)).toBe(1)
  expect(parts[Math.floor(parts.length / 2)]).toBeGreaterThan(0.3)
  expect(parts[Math.floor(parts.length / 2)]).toBeLessThan(0.7)
})
