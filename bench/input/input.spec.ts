import { expect, test } from 'vitest'
import { DIMENSIONS, K } from './input.ts'
import { madeInput } from './made.ts'
import { farthestOfNearest } from './truth.ts'
import { expectValue, KEYS, keyOf, VALUE_BYTES, valueFor } from './value.ts'

test('made chunks are the same every time, of the right size and length 1', () => {
  const { chunks, queries } = madeInput(50, 5)
  expect(madeInput(50, 5)).toEqual({ name: '50 made chunks', chunks, queries })
  expect(chunks).toHaveLength(50)
  for (const { vector } of chunks) {
    expect(vector).toHaveLength(DIMENSIONS)
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
  }
})

test('as many chunks as asked for lie within the distance of the farthest of the nearest', () => {
  const input = madeInput(300, 10)
  const farthest = farthestOfNearest(input)
  for (const [q, query] of input.queries.entries()) {
    const within = input.chunks.filter(({ vector }) => {
      const dot = vector.reduce((sum, value, i) => sum + value * (query[i] ?? 0), 0)
      return 1 - dot <= (farthest[q] ?? Number.NaN)
    })
    expect(within).toHaveLength(K)
  }
})

test('a value is 1 KiB, and no other key’s is taken for it', () => {
  expect(valueFor(7)).toHaveLength(VALUE_BYTES)
  expect(keyOf(KEYS + 7)).toBe(keyOf(7))
  expect(() => expectValue(valueFor(KEYS + 7), 7)).not.toThrow()
  expect(() => expectValue(valueFor(8), 7)).toThrow('key-7')
  expect(() => expectValue(valueFor(7 + 256), 7)).toThrow('key-7')
  expect(() => expectValue(valueFor(7).subarray(1), 7)).toThrow('1023 other bytes')
  expect(() => expectValue(undefined, 7)).toThrow('nothing')
})
