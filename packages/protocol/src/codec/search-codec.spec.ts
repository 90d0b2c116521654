import { create, fromBinary, type JsonValue, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ChunkSchema,
  HitSchema,
  SearchRequestSchema,
  SearchResponseSchema,
} from '../gen/perigee/v1/search_pb.ts'
import { readSearchResponse, searchRequestBytes } from './search-codec.ts'

const RUNS = 300

const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'grapheme', maxLength: 60 }))
const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 3000, maxLength: 3100 }))
const optional = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined })

const vector = fc.oneof(
  fc.record({ case: fc.constantFrom('float32Le' as const, 'float64Le' as const), value: bytes }),
  fc.record({
    case: fc.constant('floats' as const),
    value: fc.record({ values: fc.array(fc.float({ noNaN: true }), { maxLength: 9 }) }),
  }),
  fc.constant({ case: undefined }),
)

const request = fc.record({
  namespace: text,
  index: text,
  model: optional(fc.record({ id: text, revision: text })),
  vector: optional(fc.record({ values: vector })),
  k: fc.nat({ max: 2 ** 32 - 1 }),
  filter: optional(
    fc.record({
      expression: fc.record({
        case: fc.constant('tagIn' as const),
        value: fc.record({ attribute: text, values: fc.array(text, { maxLength: 3 }) }),
      }),
    }),
  ),
  maxDistance: optional(fc.double()),
  view: fc.constantFrom(0, 1, 2, 3),
  options: optional(fc.record({ sessionToken: bytes, consistency: fc.constantFrom(0, 1, 2, 3) })),
})

const timestamp = fc.record({
  seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
  nanos: fc.nat({ max: 999_999_999 }),
})
const { json } = fc.letrec<{ json: JsonValue; object: Record<string, JsonValue> }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.double(),
    text,
    fc.array(tie('json'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(text, tie('json'), { maxKeys: 4 }),
}))
const chunk = fc.record({
  id: text,
  text,
  metadata: optional(fc.dictionary(fc.oneof(text, fc.constant('__proto__')), json, { maxKeys: 5 })),
  regionTags: fc.array(text, { maxLength: 3 }),
  version: text,
  writtenAt: optional(timestamp),
  expiresAt: optional(timestamp),
})
const response = fc.record({
  hits: fc.array(fc.record({ chunk: optional(chunk), distance: optional(fc.double()) }), { maxLength: 6 }),
  receipt: optional(
    fc.record({ region: text, sessionToken: bytes, warnings: fc.array(text, { maxLength: 2 }) }),
  ),
})

describe('searches', () => {
  it('are read by protobuf-es as what was put in', () => {
    fc.assert(
      fc.property(request, (init) => {
        const wanted = create(SearchRequestSchema, init as never)
        const read = fromBinary(SearchRequestSchema, new Uint8Array(searchRequestBytes(wanted)))
        expect(read).toEqual(fromBinary(SearchRequestSchema, toBinary(SearchRequestSchema, wanted)))
      }),
      { numRuns: RUNS },
    )
  })

  it('keep what of them this version does not know', () => {
    const unknown = [{ no: 99, wireType: 0, data: new Uint8Array([7]) }]
    const wanted = create(SearchRequestSchema, {
      vector: { values: { case: 'float32Le', value: new Uint8Array(8) } },
    })
    wanted.$unknown = unknown
    expect(fromBinary(SearchRequestSchema, new Uint8Array(searchRequestBytes(wanted)))).toEqual(wanted)
    if (wanted.vector) wanted.vector.$unknown = unknown
    expect(fromBinary(SearchRequestSchema, new Uint8Array(searchRequestBytes(wanted)))).toEqual(wanted)
  })
})

describe('answers', () => {
  it('are read as protobuf-es reads them, or left to it', () => {
    let left = 0
    fc.assert(
      fc.property(response, (init) => {
        const written = toBinary(SearchResponseSchema, create(SearchResponseSchema, init as never))
        const read = readSearchResponse(Buffer.from(written))
        if (read) expect(read).toEqual(fromBinary(SearchResponseSchema, written))
        else left += 1
      }),
      { numRuns: RUNS },
    )
    // Times before 1970, a member named __proto__, and texts with U+FFFD.
    expect(left).toBeLessThan(RUNS * 0.8)
  })

  it('are read here when they are as they should be', () => {
    const metadata = { lang: 'en', deep: { list: [1, null, 'é', { a: false }] }, '': 0.5 }
    const full = { id: 'é“', text: '\ufeffx\0', metadata, regionTags: ['a', 'b'], version: '1-2' }
    const at = { seconds: 1_763_848_912n, nanos: 345_000_000 }
    const wanted = create(SearchResponseSchema, {
      hits: [
        { chunk: { ...full, writtenAt: at, expiresAt: at }, distance: -0.25 },
        { chunk: {}, distance: 0 },
      ],
      receipt: { region: 'r', sessionToken: new Uint8Array([1, 2]) },
    })
    const written = toBinary(SearchResponseSchema, wanted)
    expect(readSearchResponse(Buffer.from(written))).toEqual(wanted)
  })

  it('are left to protobuf-es when anything of them is odd', () => {
    const hit = (bytes: Uint8Array) => Buffer.from([0x0a, bytes.length, ...bytes])
    const inChunk = (...bytes: number[]) => hit(Uint8Array.of(0x0a, bytes.length, ...bytes))
    const score = toBinary(HitSchema, create(HitSchema, { score: 1 }))
    const vectors = toBinary(ChunkSchema, create(ChunkSchema, { vector: {} }))
    const odd = [
      Buffer.from([0x78, 1]),
      hit(score),
      hit(Uint8Array.of(0x0a, vectors.length, ...vectors)),
      inChunk(0x0a, 1, 0xff),
      inChunk(0x0a, 9),
      inChunk(0x22, 0, 0x22, 0),
      inChunk(0x22, 2, 0x0a, 0),
      inChunk(0x42, 2, 0x08, 0x80),
      hit(Uint8Array.of(0x11, 0)),
      Buffer.from([0x12, 0, 0x12, 0]),
      Buffer.from([0x0a, 5]),
    ]
    for (const bytes of odd) expect(readSearchResponse(bytes)).toBeUndefined()
  })

  it('can be cut anywhere, and are then read by nobody as whole ones', () => {
    const wanted = create(SearchResponseSchema, { hits: [{ chunk: { id: 'a', metadata: { b: [1] } } }] })
    const written = Buffer.from(toBinary(SearchResponseSchema, wanted))
    for (let length = 1; length < written.length; length++)
      expect(readSearchResponse(written.subarray(0, length))).toBeUndefined()
  })
})
