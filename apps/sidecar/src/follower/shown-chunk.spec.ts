import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { SearchResponseSchema } from '@perigee/protocol'
import { expect, it } from 'vitest'
import { AnswerBytes } from '../grpc/answer-bytes.ts'
import { HitsField, type Shown, shownBytes, shownChunk, shownFrom } from './shown-chunk.ts'

const chunk: Shown = {
  id: 'a\\b “c”',
  text: 'x\0y\nz'.repeat(100),
  metadata: '{"lang":"en","deep":{"list":[1,null,"é"]}}',
  regionTags: ['us-east-1', 'eu-west-1'],
  position: { epoch: 3, seq: 4 },
  writtenAtMs: 1_763_848_912_345,
  expiresAtMs: 1_763_848_999_999.5,
}

it('reads back what it wrote', () => {
  const bytes = shownBytes(chunk)
  expect(bytes && shownFrom(bytes)).toEqual(shownChunk(chunk))
})

it('makes hits that are on the wire what hits of the chunks are', () => {
  const chunks = [0, 1, 20, 30_000].map((length) => ({ ...chunk, text: 'é'.repeat(length) }))
  for (let count = 1; count <= chunks.length; count++) {
    const some = chunks.slice(0, count)
    const found = some.map((one, i) => ({ shown: shownBytes(one) ?? Buffer.of(), distance: 0.25 + i }))
    const answer = create(SearchResponseSchema, { receipt: { region: 'r' } })
    answer.$unknown = [new HitsField(found, () => {})]
    const hits = some.map((one, i) => ({ chunk: shownChunk(one), distance: 0.25 + i }))
    const whole = create(SearchResponseSchema, { hits, receipt: { region: 'r' } })
    const { bytes } = new AnswerBytes(SearchResponseSchema, answer)
    for (const sent of [toBinary(SearchResponseSchema, answer), bytes])
      expect(fromBinary(SearchResponseSchema, sent)).toEqual(whole)
  }
})

it('has no bytes for metadata that is no JSON', () => {
  expect(shownBytes({ ...chunk, metadata: '{' })).toBeUndefined()
})
