import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { EventLoopDelay } from './event-loop-delay.ts'

test('tells how long the event loop was kept busy, and of each stretch of time only once', async () => {
  const delay = new EventLoopDelay()
  await pause(50)
  const until = performance.now() + 200
  while (performance.now() < until);
  await pause(50)

  expect(delay.takeP99Seconds()).toBeGreaterThan(0.15)
  expect(delay.takeP99Seconds()).toBeUndefined()
})
