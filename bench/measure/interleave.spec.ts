import { expect, test } from 'vitest'
import { interleave } from './interleave.ts'

function recorder() {
  const turns: string[] = []
  const side = (name: string) => ({
    name,
    async turn(round: number) {
      turns.push(`${name}${round}`)
      return { perSecond: round }
    },
  })
  return { turns, side }
}

test('sides take turns, every other round the other way about', async () => {
  const { turns, side } = recorder()
  await interleave([side('a'), side('b'), side('c')], 3)
  expect(turns).toEqual(['a0', 'b0', 'c0', 'c1', 'b1', 'a1', 'a2', 'b2', 'c2'])
})

test('each side has one sample a round, in the order of the rounds', async () => {
  const { side } = recorder()
  const samples = await interleave([side('a'), side('b')], 2)
  const rounds = [{ perSecond: 0 }, { perSecond: 1 }]
  expect(samples).toEqual({ a: rounds, b: rounds })
})

test('a turn begins when the one before it has ended', async () => {
  let under = 0
  const side = (name: string) => ({
    name,
    async turn() {
      expect(++under).toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      under--
      return {}
    },
  })
  await interleave([side('a'), side('b')], 2)
})

test('a side that fails ends it', async () => {
  const { turns, side } = recorder()
  const failing = { name: 'b', turn: () => Promise.reject(new Error('a wrong answer')) }
  await expect(interleave([side('a'), failing, side('c')], 2)).rejects.toThrow('a wrong answer')
  expect(turns).toEqual(['a0'])
})
