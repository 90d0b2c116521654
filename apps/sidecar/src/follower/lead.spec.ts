import { expect, it } from 'vitest'
import type { Checkpoint } from './checkpoint.ts'
import { Lead } from './lead.ts'

const checkpoint = (by: string, revision: number) => ({ by, revision }) as Checkpoint

function lead(connected: Set<string>) {
  const clock = { ms: 1_000 }
  const own = new Lead({ id: 'own', connected: async (id) => connected.has(id), nowMs: () => clock.ms })
  return { clock, own }
}

it('holds what it wrote itself, what nobody wrote, and what it took, of that one revision', () => {
  const { own } = lead(new Set())
  expect(own.holds(undefined)).toBe(true)
  expect(own.holds(checkpoint('own', 1))).toBe(true)
  expect(own.holds(checkpoint('other', 1))).toBe(false)
  own.take(checkpoint('other', 1))
  expect(own.holds(checkpoint('other', 1))).toBe(true)
  expect(own.holds(checkpoint('other', 2))).toBe(false)
})

it('finds the place vacant at once when the other is no longer connected', async () => {
  const { own } = lead(new Set(['other']))
  expect(await own.vacant(checkpoint('gone', 1), true)).toBe(true)
  expect(await own.vacant(checkpoint('other', 1), true)).toBe(false)
  expect(await own.vacant(checkpoint('', 1), false)).toBe(false)
})

it('finds the place vacant within three seconds when the other is connected and leaves work undone, never while it works', async () => {
  const { own, clock } = lead(new Set(['other']))
  for (let revision = 1; revision < 100; revision++) {
    expect(await own.vacant(checkpoint('other', revision), true)).toBe(false)
    clock.ms += 100
  }
  for (let i = 0; i < 100; i++) {
    expect(await own.vacant(checkpoint('other', 99), false)).toBe(false)
    clock.ms += 100
  }
  const since = clock.ms
  while (!(await own.vacant(checkpoint('other', 99), true))) clock.ms += 100
  expect(clock.ms - since).toBeGreaterThan(1_900)
  expect(clock.ms - since).toBeLessThan(3_000)
})
