import { describe, expect, it } from 'vitest'
import { formatMs, formatMsWithin, parseDuration } from './duration.ts'

describe('durations as people type them', () => {
  it.each([
    ['250ms', 250],
    ['60s', 60_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '60', 's', '0s', '-5s', '5 s', '5x', '5s!', '1e9d', '99999999999999d'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration(text)).toThrow('A duration has a unit')
    },
  )
})

describe('durations for people', () => {
  it.each([
    [0, '0.00 ms'],
    [0.128, '0.13 ms'],
    [9.994, '9.99 ms'],
    [35.21, '35.2 ms'],
    [99.96, '100 ms'],
    [999.6, '1.0 s'],
    [1500, '1.5 s'],
    [90_000, '1 m 30 s'],
    [3_599_900, '1 h 0 m'],
    [5_400_000, '1 h 30 m'],
    [604_800_000, '7.0 d'],
    [-2.5, '-2.50 ms'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatMs(ms)).toBe(text)
  })

  it('come with their uncertainty where it is known', () => {
    expect(formatMsWithin(35.2, 0.4)).toBe('35.2 ms ± 0.40 ms')
    expect(formatMsWithin(35.2, undefined)).toBe('35.2 ms')
  })
})
