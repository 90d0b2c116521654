import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { WireType } from '@bufbuild/protobuf/wire'
import { HitSchema, ReceiptSchema, SearchResponseSchema } from '@perigee/protocol'
import { expect, it, vi } from 'vitest'
import { AnswerBytes, type EncodedField } from './answer-bytes.ts'

const receipt = create(ReceiptSchema, { region: 'us-east-1' })
const hits = [1, 2].map((distance) => create(HitSchema, { distance }))
const data = Buffer.concat([Buffer.of(9), toBinary(HitSchema, create(HitSchema, { distance: 3 }))])
const known = { no: 1, wireType: WireType.LengthDelimited, data }

/** The same, as a field that writes itself. */
function encoded(release = () => {}): EncodedField {
  const whole = Buffer.concat([Buffer.of(10), data])
  return { ...known, length: whole.length, write: (to, from) => from + whole.copy(to, from), release }
}

it('is what protobuf-es makes of an answer, whatever is encoded already', () => {
  for (const fields of [[], [known], [encoded()], [encoded(), encoded()], [{ ...known, no: 99 }]]) {
    const answer = create(SearchResponseSchema, { hits, receipt })
    answer.$unknown = fields
    const ours = new AnswerBytes(SearchResponseSchema, answer)
    const memory = Buffer.alloc(ours.length + 10)
    expect(ours.write(memory, 5)).toBe(5 + ours.length)
    expect(memory.subarray(5, 5 + ours.length)).toEqual(ours.bytes)
    const theirs = fromBinary(SearchResponseSchema, toBinary(SearchResponseSchema, answer))
    const read = fromBinary(SearchResponseSchema, new Uint8Array(ours.bytes))
    const distances = (one: typeof read) => one.hits.map(({ distance }) => distance).sort()
    expect(distances(read)).toEqual(distances(theirs))
    expect(read.receipt).toEqual(theirs.receipt)
    expect(read.$unknown).toEqual(theirs.$unknown)
  }
})

it('says once that a field of it is not needed any more', () => {
  const release = vi.fn()
  const answer = create(SearchResponseSchema, { receipt })
  answer.$unknown = [encoded(release)]
  const bytes = new AnswerBytes(SearchResponseSchema, answer)
  bytes.release()
  bytes.release()
  expect(release).toHaveBeenCalledOnce()
})
