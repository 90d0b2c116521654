import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { SetRequestSchema } from '@perigee/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bodyHash } from '../services/write-demand.ts'
import { encodedBody } from './set-body.ts'

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constant('x'.repeat(200)))
const value = fc.oneof(
  fc.uint8Array(),
  fc.nat(40_000).map((length) => new Uint8Array(length)),
)
const set = fc.record({ namespace: text, key: text, value, contentType: text, requestId: text })

const bodyOf = (bytes: Uint8Array) => encodedBody(Buffer.from(bytes), fromBinary(SetRequestSchema, bytes))
const hashOf = (bytes: Uint8Array) => bodyHash(SetRequestSchema, fromBinary(SetRequestSchema, bytes))
const hashOfBody = (bytes: Uint8Array) =>
  bodyHash(SetRequestSchema, fromBinary(SetRequestSchema, bytes), bodyOf(bytes))

describe('the body of a Set', () => {
  it('is found in what protobuf-es encodes, and has the same hash', () => {
    fc.assert(
      fc.property(set, ({ requestId, ...fields }) => {
        const bytes = toBinary(
          SetRequestSchema,
          create(SetRequestSchema, { ...fields, options: { requestId } }),
        )
        if (!JSON.stringify(fields).includes('\ufffd')) expect(bodyOf(bytes)).toBeDefined()
        expect(hashOfBody(bytes)).toBe(hashOf(bytes))
      }),
    )
  })

  it('has the same hash however it was encoded', () => {
    const field = fc.record({
      number: fc.constantFrom(1, 2, 3, 4, 7),
      bytes: fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.constant(new Uint8Array())),
    })
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
        const writer = new BinaryWriter()
        for (const { number, bytes } of fields) {
          // Options are a message: here one without fields.
          writer.tag(number, WireType.LengthDelimited).bytes(number === 7 ? new Uint8Array() : bytes)
        }
        const bytes = writer.finish()
        try {
          fromBinary(SetRequestSchema, bytes)
        } catch {
          return
        }
        expect(hashOfBody(bytes)).toBe(hashOf(bytes))
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['with a length that is longer than it needs to be', [0x0a, 0x81, 0x00, 0x61]],
    ['with an empty field', [0x0a, 0x00, 0x12, 0x01, 0x61]],
    ['out of order', [0x12, 0x01, 0x61, 0x0a, 0x01, 0x61]],
    ['with a field twice', [0x0a, 0x01, 0x61, 0x0a, 0x01, 0x61]],
    ['with a ttl', [0x0a, 0x01, 0x61, 0x2a, 0x02, 0x08, 0x01]],
    ['with bytes that are no text', [0x0a, 0x01, 0xff]],
  ])('is left to protobuf-es %s', (_, bytes) => {
    const request = create(SetRequestSchema, { namespace: bytes.at(-1) === 0xff ? '\ufffd' : 'a', key: 'a' })
    expect(encodedBody(Buffer.from(bytes), request)).toBeUndefined()
  })
})
