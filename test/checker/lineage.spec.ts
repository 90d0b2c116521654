import { describe, expect, it } from 'vitest'
import { Lineage, positionFrom, positionText } from './lineage.ts'

// Epoch 2 carries on from 1-5; 3 as well, and so do 4 from 2-8 and 5 from 4-9. 3 is a branch that was left.
const lineage = new Lineage(
  new Map([
    [1, positionFrom('0-0')],
    [2, positionFrom('1-5')],
    [3, positionFrom('1-5')],
    [4, positionFrom('2-8')],
    [5, positionFrom('4-9')],
  ]),
)
const includes = (state: string, position: string) =>
  lineage.includes(positionFrom(state), positionFrom(position))

describe('a state includes', () => {
  it('what came before in its epoch, and what its epoch carries on from', () => {
    expect(includes('1-5', '1-5')).toBe(true)
    expect(includes('1-5', '1-6')).toBe(false)
    expect(includes('2-6', '1-5')).toBe(true)
    expect(includes('5-9', '2-8')).toBe(true)
    expect(includes('5-9', '1-3')).toBe(true)
    expect(includes('1-1', '0-0')).toBe(true)
  })

  it('nothing that was written after the fork, of a later epoch, or on another branch', () => {
    expect(includes('2-9', '1-6')).toBe(false)
    expect(includes('5-20', '2-9')).toBe(false)
    expect(includes('1-9', '2-6')).toBe(false)
    expect(includes('5-20', '3-6')).toBe(false)
    expect(includes('3-6', '2-6')).toBe(false)
  })
})

it('two states have in common what both include', () => {
  const common = (a: string, b: string) => positionText(lineage.common(positionFrom(a), positionFrom(b)))
  expect(common('1-9', '2-7')).toBe('1-5')
  expect(common('3-7', '5-11')).toBe('1-5')
  expect(common('2-7', '5-11')).toBe('2-7')
  expect(common('2-9', '5-11')).toBe('2-8')
  expect(common('5-11', '5-10')).toBe('5-10')
})

it('text that is no position is refused', () => {
  expect(() => positionFrom('1')).toThrow('1 is no position')
  expect(() => positionFrom('1-2-3')).toThrow('is no position')
  expect(() => positionFrom(undefined)).toThrow('is no position')
})
