import { expect, it } from 'vitest'
import { Pace } from './pace.ts'

it('writes much at once while no one searches, and never pauses', () => {
  const pace = new Pace(() => 0)
  expect(pace.count).toBe(200)
  expect(pace.wrote(200, 190, 0)).toBe(0)
})

it('writes for about 5 ms and pauses as long while someone searches, and a second after that', () => {
  let now = 0
  const pace = new Pace(() => now)
  pace.searched()
  for (let i = 0; i < 20; i++) pace.wrote(pace.count, pace.count * 1, 0)
  expect(pace.count).toBe(5)
  expect(pace.wrote(5, 5, 0)).toBe(5)
  for (let i = 0; i < 20; i++) pace.wrote(pace.count, pace.count * 20, 0)
  expect(pace.count).toBe(1)
  now = 999
  expect(pace.busy).toBe(true)
  now = 1_001
  expect(pace.count).toBe(200)
})

it('counts its own work alone: searches that make it wait do not make it slower still', () => {
  const pace = new Pace(() => 0)
  pace.searched()
  for (let i = 0; i < 20; i++) pace.wrote(pace.count, 30 + pace.count * 0.5, 30)
  expect(pace.count).toBeGreaterThan(8)
  expect(pace.wrote(10, 35, 30)).toBe(5)
  expect(pace.wrote(10, 5, 30)).toBe(0)
})

it('writes more at once the further it is behind, while someone searches', () => {
  const pace = new Pace(() => 0)
  pace.searched()
  for (let i = 0; i < 20; i++) pace.wrote(pace.count, pace.count * 50, 0)
  expect(pace.count).toBe(1)
  pace.behind = 40
  expect(pace.count).toBe(10)
  pace.behind = 100_000
  expect(pace.count).toBe(16)
})
