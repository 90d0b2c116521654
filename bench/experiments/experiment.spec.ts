import { expect, test } from 'vitest'
import { GOALS } from '../measure/goals.ts'
import { experiments } from './all.ts'
import { type Comparison, rowsOf, sidesOf } from './experiment.ts'

const comparison: Comparison = { row: 'get-plain', figure: 'perSecond', ours: 'sdk', theirs: 'ioredis' }

test('a ratio is of two turns of one round', () => {
  const samples = {
    sdk: [{ perSecond: 10 }, { perSecond: 40 }, { perSecond: 30 }],
    ioredis: [{ perSecond: 5 }, { perSecond: 10 }, { perSecond: 10 }],
  }
  expect(rowsOf([comparison], samples)).toEqual([{ name: 'get-plain', rounds: [2, 4, 3], value: 3 }])
})

test('a difference is how much ours is above the other', () => {
  const above: Comparison = { ...comparison, row: 'search-one', figure: 'p50Ms', by: 'above' }
  const samples = { sdk: [{ p50Ms: 1.5 }], ioredis: [{ p50Ms: 1 }] }
  expect(rowsOf([above], samples)[0]?.value).toBe(0.5)
})

test('a side without the figure, or without the round, fails instead of counting as nothing', () => {
  expect(() => rowsOf([comparison], { sdk: [{ p50Ms: 1 }], ioredis: [{ perSecond: 1 }] })).toThrow(
    'perSecond',
  )
  expect(() => rowsOf([comparison], { sdk: [{ perSecond: 1 }], ioredis: [] })).toThrow('perSecond')
})

test('a side that several rows need plays once', () => {
  expect(sidesOf([comparison, { ...comparison, theirs: 'unary' }])).toEqual(['sdk', 'ioredis', 'unary'])
})

test('every row is given by one experiment', () => {
  const given = experiments.flatMap(({ rows }) => rows)
  expect(new Set(given).size).toBe(given.length)
  expect([...given].sort()).toEqual(GOALS.map(({ name }) => name).sort())
})
