import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SetRequest, SetRequestSchema } from '../gen/perigee/v1/cache_pb.ts'
import { readPlainSet } from './plain-set.ts'

const RUNS = 300

const ascii = fc.string({ unit: fc.integer({ min: 1, max: 0x7f }).map((c) => String.fromCharCode(c)) })
const text = fc.oneof(
  { weight: 20, arbitrary: ascii },
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constant('x'.repeat(200)),
)
const value = fc.oneof(
  fc.uint8Array(),
  fc.integer({ min: 16_000, max: 40_000 }).map((length) => new Uint8Array(length)),
)
const duration = fc.record({
  seconds: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 31n - 1n }), fc.bigInt({ min: -5n, max: 2n ** 40n })),
  nanos: fc.integer({ min: -1, max: 999_999_999 }),
})
const options = fc.record({
  durability: fc.constantFrom(0, 1, 2),
  requestId: ascii,
  sessionToken: fc.oneof({ weight: 5, arbitrary: fc.constant(new Uint8Array()) }, fc.uint8Array()),
})
const set = fc.record({
  ...{ namespace: text, key: text, value, contentType: text },
  ttl: fc.option(duration, { nil: undefined }),
  options: fc.option(options, { nil: undefined }),
})

const plain = (bytes: Uint8Array | undefined) => bytes && Array.from(bytes)

/** Holds what was read against protobuf-es. @returns whether anything was. */
function isRead(bytes: Uint8Array): boolean {
  const read = readPlainSet(Buffer.from(bytes))
  if (!read) return false
  const request: SetRequest = fromBinary(SetRequestSchema, bytes)
  const { $typeName, ttl, precondition, options, value, ...texts } = request
  expect(read).toMatchObject(texts)
  expect(plain(read.value)).toEqual(plain(value))
  expect(read.ttl && fromBinary(DurationSchema, read.ttl)).toEqual(ttl)
  expect(precondition).toBeUndefined()
  expect(read.durability).toBe(options?.durability ?? 0)
  expect(read.requestId).toBe(options?.requestId ?? '')
  expect(options?.sessionToken.length ?? 0).toBe(0)
  expect([request.$unknown, options?.$unknown, ttl?.$unknown]).toEqual([undefined, undefined, undefined])
  const body = toBinary(SetRequestSchema, { ...request, options: undefined } as unknown as SetRequest)
  expect(plain(bytes.subarray(0, read.bodyBytes))).toEqual(plain(body))
  return true
}

describe('a plain Set', () => {
  it('is read as protobuf-es reads it, and its body is what protobuf-es writes', () => {
    let count = 0
    fc.assert(
      fc.property(set, (init) => {
        const bytes = toBinary(SetRequestSchema, create(SetRequestSchema, init))
        const texts = init.namespace + init.key + init.contentType
        const { ttl, options } = init
        const small = !ttl || (ttl.seconds >= 0 && ttl.seconds < 2n ** 31n && ttl.nanos >= 0)
        const some = ttl === undefined || ttl.seconds !== 0n || ttl.nanos !== 0
        const short = !options || (options.requestId.length < 128 && options.sessionToken.length === 0)
        expect(isRead(bytes)).toBe(
          // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what no text may have.
          /^[\x01-\x7f]*$/.test(texts) && small && some && short,
        )
        count += isRead(bytes) ? 1 : 0
      }),
      { numRuns: RUNS },
    )
    expect(count).toBeGreaterThan(RUNS / 10)
  })

  it('is never read otherwise, however it is encoded', () => {
    const inner = fc.oneof(fc.uint8Array({ maxLength: 5 }), fc.constant(new Uint8Array()))
    const field = fc.record({ number: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8), bytes: inner })
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), fc.nat({ max: 3 }), (fields, cut) => {
        const writer = new BinaryWriter()
        for (const { number, bytes } of fields) writer.tag(number, WireType.LengthDelimited).bytes(bytes)
        const bytes = writer.finish()
        const some = bytes.subarray(0, bytes.length - Math.max(0, cut - 2))
        // What is none for protobuf-es either is none here.
        try {
          fromBinary(SetRequestSchema, some)
        } catch {
          expect(readPlainSet(Buffer.from(some))).toBeUndefined()
          return
        }
        isRead(some)
      }),
      { numRuns: 10 * RUNS },
    )
  })

  it.each([
    ['with a length that is longer than it needs to be', [0x0a, 0x81, 0x00, 0x61]],
    ['with an empty field', [0x0a, 0x00, 0x12, 0x01, 0x61]],
    ['out of order', [0x12, 0x01, 0x61, 0x0a, 0x01, 0x61]],
    ['with a field twice', [0x0a, 0x01, 0x61, 0x0a, 0x01, 0x61]],
    ['with something after its options', [0x0a, 0x01, 0x61, 0x3a, 0x00, 0x12, 0x01, 0x61]],
    ['with a precondition', [0x0a, 0x01, 0x61, 0x32, 0x02, 0x08, 0x01]],
    ['with a time that is longer than it needs to be', [0x0a, 0x01, 0x61, 0x2a, 0x03, 0x08, 0x81, 0x00]],
    ['with a NUL in a text', [0x0a, 0x01, 0x00]],
    ['with bytes that are no text', [0x0a, 0x01, 0xff]],
    ['cut short', [0x0a, 0x05, 0x61]],
  ])('is left to protobuf-es %s', (_, bytes) => {
    expect(readPlainSet(Buffer.from(bytes))).toBeUndefined()
  })

  it('with the texts of the one before has its own', () => {
    const of = (namespace: string, contentType: string) =>
      readPlainSet(
        Buffer.from(toBinary(SetRequestSchema, create(SetRequestSchema, { namespace, contentType }))),
      )
    for (const [namespace, type] of [...['ab', 'ab', 'ac', 'a', ''].entries()].map(([i, n]) => [n, `t${i}`]))
      expect(of(namespace as string, type as string)).toMatchObject({ namespace, contentType: type })
  })
})
