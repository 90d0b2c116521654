import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { HitSchema } from '@perigee/protocol'
import { expect, it } from 'vitest'
import { hitOf, type Shown, shownBytes, shownChunk, shownFrom } from './shown-chunk.ts'

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

it('makes a hit that is on the wire what a hit of the chunk is', () => {
  const bytes = shownBytes(chunk) ?? Buffer.of()
  const sent = toBinary(HitSchema, hitOf(bytes, 0.25))
  const whole = create(HitSchema, { chunk: shownChunk(chunk), distance: 0.25 })
  expect(fromBinary(HitSchema, sent)).toEqual(whole)
})

it('has no bytes for metadata that is no JSON', () => {
  expect(shownBytes({ ...chunk, metadata: '{' })).toBeUndefined()
})
