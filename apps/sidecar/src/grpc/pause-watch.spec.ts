import { expect, it } from 'vitest'
import { PauseWatch } from './pause-watch.ts'

it('takes a call for as old as the pause that it came in, and no other', () => {
  let nowMs = 1000
  const watch = new PauseWatch(() => nowMs)
  const after = (ms: number) => {
    nowMs += ms
    return watch.waitedMsMax
  }
  expect(after(60)).toBe(0)
  watch.tick()
  // The process stands still, wakes, and reads what has come in before its timers run, or right after.
  expect(after(3000)).toBe(3000)
  watch.tick()
  expect(after(100)).toBe(3100)
  for (let i = 0; i < 10; i++) {
    nowMs += 50
    watch.tick()
  }
  expect(after(0)).toBe(0)
})
