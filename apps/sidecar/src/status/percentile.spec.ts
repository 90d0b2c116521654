import { expect, it } from 'vitest'
import { percentile } from './percentile.ts'

it.each([
  [[1], 0.5, 1],
  [[1, 2], 0.5, 1],
  [[1, 2, 3], 0.5, 2],
  [Array.from({ length: 100 }, (_, i) => i + 1), 0.95, 95],
  [Array.from({ length: 100 }, (_, i) => i + 1), 0.99, 99],
  [Array.from({ length: 10 }, (_, i) => i + 1), 0.99, 10],
  [[1, 2, 3], 1, 3],
])('of %j, the share %d does not exceed %d', (sorted, share, value) => {
  expect(percentile(sorted, share)).toBe(value)
})
