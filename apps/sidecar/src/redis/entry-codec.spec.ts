import { expect, it } from 'vitest'
import { decodeEntry, EntryReader } from './entry-codec.ts'

/** A stored entry, as the functions write it. */
function stored(contentType: string, value: string): Buffer {
  const header = Buffer.alloc(34)
  header[0] = 1
  for (const [i, number] of [3n, 7n, 1_000_500n, 2_000_000n].entries()) {
    header.writeBigUInt64BE(number, 1 + 8 * i)
  }
  header[33] = Buffer.byteLength(contentType)
  return Buffer.concat([header, Buffer.from(contentType), Buffer.from(value)])
}

it('an entry is read amid other memory as it is alone', () => {
  const bytes = stored('text/plain', 'value')
  const memory = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')])
  const reader = new EntryReader()
  expect(reader.read(memory, 6, 6 + bytes.length)).toBe(true)
  const { typeFrom, valueFrom, valueTo, epoch, seq, writtenAtUs, expiresAtUs } = reader
  expect({ epoch, seq, writtenAtUs, expiresAtUs }).toEqual({
    ...{ epoch: 3, seq: 7, writtenAtUs: 1_000_500, expiresAtUs: 2_000_000 },
  })
  expect(memory.toString('utf8', typeFrom, valueFrom)).toBe('text/plain')
  expect(memory.toString('utf8', valueFrom, valueTo)).toBe('value')
  expect(decodeEntry('k', bytes)).toMatchObject({ position: { epoch, seq }, contentType: 'text/plain' })
  expect([1999, 2000].map((nowMs) => reader.isVisible(undefined, nowMs))).toEqual([true, false])
  expect(reader.isVisible({ epoch: 3, seq: 7 }, 0)).toBe(false)
  expect(reader.isVisible({ epoch: 3, seq: 6 }, 0)).toBe(true)
})

it('bytes that are no entry, or one that is cut short, are none: never what is behind them', () => {
  const bytes = stored('text/plain', '')
  const memory = Buffer.concat([bytes, Buffer.from('of somebody else')])
  const reader = new EntryReader()
  expect(reader.read(memory, 0, bytes.length)).toBe(true)
  for (const to of [0, 1, 33, 34, bytes.length - 1]) expect(reader.read(memory, 0, to)).toBe(false)
  memory[0] = 2
  expect(reader.read(memory, 0, bytes.length)).toBe(false)
})
