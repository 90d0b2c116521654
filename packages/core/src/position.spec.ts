import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePositions, formatPosition, laterPosition, type Position, parsePosition } from './position.ts'

const number = fc.maxSafeNat()
const position: fc.Arbitrary<Position> = fc.record({ epoch: number, seq: number })

describe('a position', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(position, (p) => {
        expect(parsePosition(formatPosition(p))).toEqual(p)
      }),
    )
  })

  it.each([
    '',
    '1',
    '1-',
    '-1',
    '1-2-3',
    '01-2',
    '1-02',
    '1.5-2',
    '1e3-2',
    ' 1-2',
    '9007199254740992-1',
    '1-９',
  ])('is not %j', (text) => expect(parsePosition(text)).toBeUndefined())

  it('orders as pairs, by epoch first', () => {
    expect(comparePositions({ epoch: 2, seq: 0 }, { epoch: 1, seq: 99 })).toBeGreaterThan(0)
    fc.assert(
      fc.property(position, position, (a, b) => {
        const later = laterPosition(a, b)
        expect(comparePositions(later, a)).toBeGreaterThanOrEqual(0)
        expect(comparePositions(later, b)).toBeGreaterThanOrEqual(0)
        expect(laterPosition(b, a)).toEqual(later)
      }),
    )
  })
})
