import fc from 'fast-check'
import { expect, test } from 'vitest'
import { imbalance, mean, median, quantile, spreadOf } from './statistics.ts'

const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 })

test('the median is the middle value, or half way between the middle two', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([10, 9])).toBe(9.5)
})

test('quantiles lie between neighbours', () => {
  expect(quantile([0, 10, 20, 30, 40], 0.25)).toBe(10)
  expect(quantile([0, 10], 0.99)).toBeCloseTo(9.9)
  expect(quantile([7], 0.99)).toBe(7)
})

test('the order of values does not matter, and what is given stays as it is', () => {
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (given, share) => {
      const before = [...given]
      const at = quantile(given, share)
      expect(quantile(given.toReversed(), share)).toBe(at)
      expect(given).toEqual(before)
      expect(at).toBeGreaterThanOrEqual(Math.min(...given))
      expect(at).toBeLessThanOrEqual(Math.max(...given))
    }),
  )
})

test('of nothing there is no figure', () => {
  expect(() => median([])).toThrow('no values')
  expect(() => mean([])).toThrow('no values')
})

test('the spread says where values lie, and how noisy they are for their size', () => {
  expect(spreadOf([8, 10, 12, 9, 11])).toEqual({ median: 10, min: 8, max: 12, noise: 0.1 })
  expect(spreadOf([-8, -10, -12, -9, -11]).noise).toBe(0.1)
  expect(spreadOf([5, 5, 5]).noise).toBe(0)
})

test('the imbalance is how far the farthest is from the mean, above or below', () => {
  expect(imbalance([100])).toBe(0)
  expect(imbalance([90, 110])).toBeCloseTo(0.1)
  expect(imbalance([120, 120, 120, 40])).toBeCloseTo(0.6)
  expect(() => imbalance([0, 0])).toThrow('nothing was done')
})
