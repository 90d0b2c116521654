import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { WireType } from '@bufbuild/protobuf/wire'
import { HitSchema, ReceiptSchema, SearchResponseSchema } from '@perigee/protocol'
import { expect, it } from 'vitest'
import { answerBytes } from './answer-bytes.ts'

const receipt = create(ReceiptSchema, { region: 'us-east-1' })
const hits = [1, 2].map((distance) => create(HitSchema, { distance }))

it('is what protobuf-es makes of an answer, whatever is encoded already', () => {
  const data = Buffer.concat([Buffer.of(9), toBinary(HitSchema, hits[0] ?? create(HitSchema))])
  const encoded = [{ no: 1, wireType: WireType.LengthDelimited, data }]
  for (const unknown of [undefined, [], encoded, [...encoded, ...encoded], [{ ...encoded[0], no: 99 }]]) {
    const answer = create(SearchResponseSchema, { hits, receipt })
    if (unknown) answer.$unknown = unknown as typeof encoded
    const bytes = answerBytes(SearchResponseSchema, answer)
    const theirs = fromBinary(SearchResponseSchema, toBinary(SearchResponseSchema, answer))
    const ours = fromBinary(SearchResponseSchema, bytes)
    const distances = (one: typeof ours) => one.hits.map(({ distance }) => distance).sort()
    expect(distances(ours)).toEqual(distances(theirs))
    expect(ours.receipt).toEqual(theirs.receipt)
    expect(ours.$unknown).toEqual(theirs.$unknown)
  }
})
