import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  type Filter,
  FilterSchema,
  GetRequestSchema,
  SearchRequestSchema,
  SetManyRequestSchema,
  SetRequestSchema,
  UpsertChunksRequestSchema,
} from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { refusedAs } from '../../refused-as.spec-support.ts'
import { checkMessage } from './message-walk.ts'

/** Field 100, a varint. */
const UNKNOWN = new Uint8Array([0xa0, 0x06, 0x01])

describe('any request', () => {
  it('passes when all of it is known', () => {
    const request = create(SearchRequestSchema, {
      namespace: 'a',
      vector: { values: { case: 'floats', value: { values: [1, 2] } } },
      filter: {
        expression: { case: 'not', value: { expression: { case: 'tagIn', value: { attribute: 'a' } } } },
      },
      options: { maxWait: { seconds: 1n, nanos: 5 } },
    })
    expect(refusedAs(() => checkMessage(SearchRequestSchema, request))).toBe('taken')
  })

  it('is refused for an unknown field at the root', () => {
    const request = fromBinary(GetRequestSchema, UNKNOWN)
    expect(refusedAs(() => checkMessage(GetRequestSchema, request))).toBe('UNKNOWN_FIELD 100')
  })

  it('is refused for an unknown field in the middle of a tree', () => {
    const inner = fromBinary(FilterSchema, UNKNOWN)
    const filter: Filter = create(FilterSchema, {
      expression: {
        case: 'all',
        value: {
          filters: [
            create(FilterSchema),
            create(FilterSchema, { expression: { case: 'not', value: inner } }),
          ],
        },
      },
    })
    const request = create(SearchRequestSchema, { filter })
    const read = fromBinary(SearchRequestSchema, toBinary(SearchRequestSchema, request))
    expect(refusedAs(() => checkMessage(SearchRequestSchema, read))).toBe(
      'UNKNOWN_FIELD filter.all.filters[1].not.100',
    )
  })

  it('is refused for an unknown enum value', () => {
    const request = create(GetRequestSchema, { options: { consistency: 9 as never } })
    expect(refusedAs(() => checkMessage(GetRequestSchema, request))).toBe('INVALID_FIELD options.consistency')
  })

  it.each([
    ['seconds over the range', { seconds: 315_576_000_001n, nanos: 0 }],
    ['seconds under the range', { seconds: -315_576_000_001n, nanos: 0 }],
    ['nanos of a second and more', { seconds: 0n, nanos: 1_000_000_000 }],
    ['nanos of another sign', { seconds: 1n, nanos: -1 }],
  ])('is refused for a duration with %s', (_, ttl) => {
    const request = create(SetRequestSchema, { ttl })
    expect(refusedAs(() => checkMessage(SetRequestSchema, request))).toBe('INVALID_FIELD ttl')
  })

  it.each([
    ['before year 1', { seconds: -62_135_596_801n, nanos: 0 }],
    ['after year 9999', { seconds: 253_402_300_800n, nanos: 0 }],
    ['with negative nanos', { seconds: 1n, nanos: -1 }],
  ])('is refused for a timestamp %s', (_, expiresAt) => {
    const request = create(SetManyRequestSchema, { entries: [{}, { expiresAt }] })
    expect(refusedAs(() => checkMessage(SetManyRequestSchema, request))).toBe(
      'INVALID_FIELD entries[1].expires_at',
    )
  })

  it('names fields as the proto does', () => {
    const request = create(UpsertChunksRequestSchema, { chunks: [{ writtenAt: { seconds: 1n, nanos: -1 } }] })
    expect(refusedAs(() => checkMessage(UpsertChunksRequestSchema, request))).toBe(
      'INVALID_FIELD chunks[0].written_at',
    )
  })
})
