import fc from 'fast-check'
import { expect, it } from 'vitest'
import { nextEpoch } from './epoch.ts'

it('gives Unix milliseconds and the ordinal when nothing newer is known', () => {
  expect(nextEpoch({ nowMs: 1_763_848_912_345.7, ordinal: 2, known: 0 })).toBe(1_763_848_912_345_002)
})

it('is above every epoch known, ends with the ordinal, and is the least such number past now', () => {
  const numbers = {
    nowMs: fc.nat(2 ** 40),
    ordinal: fc.integer({ min: 0, max: 999 }),
    known: fc.nat(2 ** 50),
  }
  fc.assert(
    fc.property(fc.record(numbers), ({ nowMs, ordinal, known }) => {
      const epoch = nextEpoch({ nowMs, ordinal, known })
      expect(epoch).toBeGreaterThan(known)
      expect(epoch % 1000).toBe(ordinal)
      expect(epoch).toBeLessThanOrEqual(Math.max(nowMs * 1000 + ordinal, known + 1000))
    }),
  )
})
