import { expect, test } from 'vitest'
import { GOALS, goalOf, goalText, isMet } from './goals.ts'
import { failedRow, rowOf, rowsAsJson } from './row.ts'

test('a row is the median of its rounds, unless it says otherwise', () => {
  expect(rowOf('get-plain', [3, 1, 2])).toEqual({ name: 'get-plain', rounds: [3, 1, 2], value: 2 })
  expect(rowOf('rss', [100, 120, 110], 120).value).toBe(120)
})

test('a round without a number makes a failed row', () => {
  expect(rowOf('get-plain', [1, Number.NaN]).error).toContain('not a number')
  expect(rowOf('get-plain', [1, Number.POSITIVE_INFINITY]).error).toContain('not a number')
})

test('as JSON a row has name, goal, value, unit and rounds', () => {
  const json = JSON.parse(
    rowsAsJson([rowOf('get-pipelined', [1.23456789, 1.5, 1.25]), rowOf('spread', [12])]),
  )
  expect(json).toEqual([
    {
      name: 'get-pipelined',
      goal: '≥ 1, aim at 1.3',
      value: 1.25,
      unit: 'ratio',
      rounds: [1.2346, 1.5, 1.25],
    },
    { name: 'spread', goal: '≤ 20', value: 12, unit: '%', rounds: [12] },
  ])
})

test('as JSON a failed row has no value, and says why', () => {
  const [row] = JSON.parse(rowsAsJson([failedRow('rss', new Error('the sidecar is gone'))]))
  expect(row).toEqual({
    name: 'rss',
    goal: '≤ 220',
    value: null,
    unit: 'MiB',
    rounds: [],
    error: 'the sidecar is gone',
  })
})

test('goals hold at their limit, in their direction', () => {
  expect(isMet(goalOf('get-plain'), 1.8)).toBe(true)
  expect(isMet(goalOf('get-plain'), 1.79)).toBe(false)
  expect(isMet(goalOf('get-one'), 3.5)).toBe(true)
  expect(isMet(goalOf('get-one'), 3.51)).toBe(false)
  expect(isMet(goalOf('forward/redis'), 100)).toBeUndefined()
  expect(goalText(goalOf('forward/redis'))).toBe('–')
})

test('every name stands for one row', () => {
  const names = GOALS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})
