import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import type { LetGo } from '../redis/let-go.ts'
import { Farewells } from './farewells.ts'

const GONE: LetGo = { gone: true, because: 'refused' }
const ALIVE: LetGo = { gone: false, why: 'it is silent' }

function farewells(answers: Record<string, LetGo>, addresses: Record<string, string | undefined>) {
  return new Farewells({
    ask: async (address) => answers[address] ?? ALIVE,
    addresses: () => new Map(Object.entries(addresses)),
    onGone: () => {},
    log: pino({ level: 'silent' }),
  })
}

it('are over once every other Redis has let go, and not before', async () => {
  const answers: Record<string, LetGo> = { b: GONE, c: ALIVE }
  const both = farewells(answers, { west: 'b', south: 'c' })
  expect(both.since(1)).toBeUndefined()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(both.since(1)).toBeUndefined()
  answers.c = GONE
  const overAtMs = await vi.waitFor(() => {
    const over = both.since(1)
    expect(over).toBeDefined()
    return over
  }, 2000)
  expect(both.since(1)).toBe(overAtMs)
})

it('never are while the address of one is not known', async () => {
  const one = farewells({ b: GONE }, { west: 'b', south: undefined })
  for (let i = 0; i < 10; i++) {
    expect(one.since(1)).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})

it('begin anew when the Redis is named anew: who let go may have been claimed in between', async () => {
  const answers: Record<string, LetGo> = { b: GONE }
  const one = farewells(answers, { west: 'b' })
  await vi.waitFor(() => expect(one.since(1)).toBeDefined(), 2000)
  answers.b = ALIVE
  expect(one.since(2)).toBeUndefined()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(one.since(2)).toBeUndefined()
})

it('are over at once in a single region', () => {
  expect(farewells({}, {}).since(1)).toBeDefined()
})
