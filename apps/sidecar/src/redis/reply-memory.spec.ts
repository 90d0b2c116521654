import { expect, it } from 'vitest'
import { ReplyMemory } from './reply-memory.ts'

const bytes = (length: number, fill: number) => Buffer.alloc(length, fill)

it("gives nobody memory that is another one's", () => {
  const memory = new ReplyMemory()
  const one = memory.copy(bytes(10, 1), 0, 10)
  const other = memory.copy(bytes(10, 2), 0, 10)
  expect(one.subarray(0, 10)).toEqual(bytes(10, 1))
  expect(other.subarray(0, 10)).toEqual(bytes(10, 2))
})

it('uses memory again that was given back, if it is large enough', () => {
  const memory = new ReplyMemory()
  const one = memory.copy(bytes(10, 1), 2, 8)
  memory.giveBack(one)
  expect(memory.copy(bytes(20, 3), 0, 20)).toBe(one)
  memory.giveBack(one)
  const larger = memory.copy(bytes(100_000, 4), 0, 100_000)
  expect(larger).not.toBe(one)
  expect(larger.subarray(0, 100_000)).toEqual(bytes(100_000, 4))
})
