import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { DEFAULT_LIMITS } from '@perigee/core'
import {
  ClearNamespaceRequestSchema,
  DeleteRequestSchema,
  Durability,
  GetManyRequestSchema,
  GetRequestSchema,
  ListKeysRequestSchema,
  SetManyRequestSchema,
  SetRequestSchema,
} from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { refusedAs } from '../../refused-as.spec-support.ts'
import {
  checkClearNamespace,
  checkDelete,
  checkGet,
  checkGetMany,
  checkListKeys,
  checkSet,
  checkSetMany,
} from './cache-requests.ts'

const keys = (count: number) => Array.from({ length: count }, (_, i) => `k${i}`)
const entries = (count: number) => keys(count).map((key) => ({ key }))
const duration = (seconds: number, nanos = 0) => ({ seconds: BigInt(seconds), nanos })

describe('Get', () => {
  const get = (init: MessageInitShape<typeof GetRequestSchema>) => () =>
    checkGet(create(GetRequestSchema, { namespace: 'a', key: 'k', ...init }), DEFAULT_LIMITS)

  it.each([
    ['the shortest names', {}, 'taken'],
    ['a namespace of 63 characters', { namespace: 'a'.repeat(63) }, 'taken'],
    ['a namespace of 64', { namespace: 'a'.repeat(64) }, 'TOO_LARGE namespace'],
    ['no namespace', { namespace: '' }, 'INVALID_FIELD namespace'],
    ['a namespace in capitals', { namespace: 'Answers' }, 'INVALID_FIELD namespace'],
    ['a namespace with a colon', { namespace: 'a:b' }, 'INVALID_FIELD namespace'],
    ['a namespace with a line break', { namespace: 'a\n' }, 'INVALID_FIELD namespace'],
    ['no key', { key: '' }, 'INVALID_FIELD key'],
    ['a key with NUL', { key: 'a\0b' }, 'INVALID_FIELD key'],
    ['a key of 1,024 bytes', { key: 'k'.repeat(1024) }, 'taken'],
    ['a key of 1,025 bytes', { key: 'k'.repeat(1025) }, 'TOO_LARGE key'],
    ['a key of 1,026 bytes in 342 characters', { key: '€'.repeat(342) }, 'TOO_LARGE key'],
    ['a key of braces, stars and blanks', { key: '{0}* ?[a]\n' }, 'taken'],
    [
      'a token of garbage',
      { options: { sessionToken: new Uint8Array([1, 2]) } },
      'INVALID_TOKEN options.session_token',
    ],
    [
      'a token of another format',
      { options: { sessionToken: new Uint8Array(25).fill(9) } },
      'INVALID_TOKEN options.session_token',
    ],
    [
      'a token with numbers over 2^53',
      { options: { sessionToken: new Uint8Array(25).fill(255).fill(1, 0, 1) } },
      'INVALID_TOKEN options.session_token',
    ],
    ['a negative wait', { options: { maxWait: duration(-1) } }, 'INVALID_FIELD options.max_wait'],
    ['a wait of nothing', { options: { maxWait: duration(0) } }, 'taken'],
    ['a staleness limit', { options: { maxStaleness: duration(1) } }, 'taken'],
  ])('with %s', (_, init, outcome) => {
    expect(refusedAs(get(init))).toBe(outcome)
  })

  it('is EVENTUAL without a token, SESSION with one', () => {
    const sessionToken = new Uint8Array(25).fill(1, 0, 1)
    expect(get({})().choice).toEqual({ consistency: 'EVENTUAL', whenBehind: 'FORWARD' })
    expect(get({ options: { sessionToken } })().choice.consistency).toBe('SESSION')
  })
})

describe('GetMany', () => {
  it.each([
    ['no keys', [], 'INVALID_FIELD keys'],
    ['1,000 keys', keys(1000), 'taken'],
    ['1,001 keys', keys(1001), 'TOO_LARGE keys'],
    ['a key that is too long', ['a', 'k'.repeat(1025)], 'TOO_LARGE keys[1]'],
    ['an empty key', ['a', 'b', ''], 'INVALID_FIELD keys[2]'],
    ['a key twice', ['a', 'a'], 'taken'],
  ])('with %s', (_, list, outcome) => {
    const request = create(GetManyRequestSchema, { namespace: 'a', keys: list })
    expect(refusedAs(() => checkGetMany(request, DEFAULT_LIMITS))).toBe(outcome)
  })
})

describe('Set', () => {
  const set = (init: MessageInitShape<typeof SetRequestSchema>) => () =>
    checkSet(create(SetRequestSchema, { namespace: 'a', key: 'k', ...init }), DEFAULT_LIMITS, 7000)

  it.each([
    ['an empty value', {}, 'taken'],
    ['a value of 1 MiB', { value: new Uint8Array(1024 * 1024) }, 'taken'],
    ['a value over 1 MiB', { value: new Uint8Array(1024 * 1024 + 1) }, 'TOO_LARGE value'],
    ['a content type of 256 bytes', { contentType: 'x'.repeat(256) }, 'TOO_LARGE content_type'],
    ['a ttl of zero', { ttl: duration(0) }, 'INVALID_FIELD ttl'],
    ['a negative ttl', { ttl: duration(-1) }, 'INVALID_FIELD ttl'],
    ['a ttl of 10,000 years', { ttl: duration(10_000 * 31_557_600) }, 'INVALID_FIELD ttl'],
    ['a precondition without condition', { precondition: {} }, 'INVALID_FIELD precondition'],
    [
      'a precondition on an empty version',
      { precondition: { condition: { case: 'version' as const, value: '' } } },
      'INVALID_FIELD precondition.version',
    ],
    ['REPLICATED durability', { options: { durability: Durability.REPLICATED } }, 'taken'],
    ['a request id of 64 bytes', { options: { requestId: 'r'.repeat(64) } }, 'taken'],
    ['a request id of 65 bytes', { options: { requestId: 'r'.repeat(65) } }, 'TOO_LARGE options.request_id'],
    ['a key with NUL', { key: '\0' }, 'INVALID_FIELD key'],
    ['a bad namespace', { namespace: '_' }, 'INVALID_FIELD namespace'],
  ])('with %s', (_, init, outcome) => {
    expect(refusedAs(set(init))).toBe(outcome)
  })

  it('rounds a ttl up to whole milliseconds', () => {
    expect(set({ ttl: duration(0, 1) })().entry.ttlMs).toBe(1)
    expect(set({ ttl: duration(1, 500_001) })().entry.ttlMs).toBe(1001)
  })

  it('takes the configured ttl when it brings none', () => {
    expect(set({})().entry.ttlMs).toBe(7000)
  })
})

describe('SetMany', () => {
  it.each([
    ['no entries', [], 'INVALID_FIELD entries'],
    ['1,000 entries', entries(1000), 'taken'],
    ['1,001 entries', entries(1001), 'TOO_LARGE entries'],
    ['an entry without key', [{ key: 'a' }, {}], 'INVALID_FIELD entries[1].key'],
    [
      'a value over 1 MiB',
      [{ key: 'a' }, { key: 'b', value: new Uint8Array(1024 * 1024 + 1) }],
      'TOO_LARGE entries[1].value',
    ],
    [
      'a content type that is too long',
      [{ key: 'a', contentType: 'x'.repeat(256) }],
      'TOO_LARGE entries[0].content_type',
    ],
    ['a key twice', [{ key: 'a' }, { key: 'b' }, { key: 'a' }], 'INVALID_FIELD entries[2].key'],
    ['an expiry in the past', [{ key: 'a', expiresAt: { seconds: 1n, nanos: 0 } }], 'taken'],
    [
      'an expiry before 1970',
      [{ key: 'a', expiresAt: { seconds: -1n, nanos: 0 } }],
      'INVALID_FIELD entries[0].expires_at',
    ],
    [
      'an expiry in the first millisecond of 1970',
      [{ key: 'a', expiresAt: { seconds: 0n, nanos: 400_000 } }],
      'INVALID_FIELD entries[0].expires_at',
    ],
  ])('with %s', (_, list, outcome) => {
    const request = create(SetManyRequestSchema, { namespace: 'a', entries: list })
    expect(refusedAs(() => checkSetMany(request, DEFAULT_LIMITS))).toBe(outcome)
  })
})

describe('Delete', () => {
  const precondition = { condition: { case: 'exists' as const, value: true } }

  it.each([
    ['no keys', { keys: [] }, 'INVALID_FIELD keys'],
    ['1,001 keys', { keys: keys(1001) }, 'TOO_LARGE keys'],
    ['an empty key', { keys: [''] }, 'INVALID_FIELD keys[0]'],
    ['two keys and a precondition', { keys: ['a', 'b'], precondition }, 'INVALID_FIELD keys'],
    ['one key and a precondition', { keys: ['a'], precondition }, 'taken'],
    ['a precondition without condition', { keys: ['a'], precondition: {} }, 'INVALID_FIELD precondition'],
  ])('with %s', (_, init, outcome) => {
    const request = create(DeleteRequestSchema, { namespace: 'a', ...init })
    expect(refusedAs(() => checkDelete(request, DEFAULT_LIMITS))).toBe(outcome)
  })
})

describe('ListKeys', () => {
  it.each([
    ['nothing but a namespace', {}, 'taken'],
    ['a page of 1,000', { pageSize: 1000 }, 'taken'],
    ['a page of 1,001', { pageSize: 1001 }, 'TOO_LARGE page_size'],
    ['a prefix with NUL', { prefix: 'a\0' }, 'INVALID_FIELD prefix'],
    ['a prefix of 1,025 bytes', { prefix: 'a'.repeat(1025) }, 'TOO_LARGE prefix'],
    ['a bad namespace', { namespace: 'A' }, 'INVALID_FIELD namespace'],
  ])('with %s', (_, init, outcome) => {
    const request = create(ListKeysRequestSchema, { namespace: 'a', ...init })
    expect(refusedAs(() => checkListKeys(request, DEFAULT_LIMITS))).toBe(outcome)
  })
})

describe('ClearNamespace', () => {
  it('with a bad namespace', () => {
    const request = create(ClearNamespaceRequestSchema, { namespace: '' })
    expect(refusedAs(() => checkClearNamespace(request, DEFAULT_LIMITS))).toBe('INVALID_FIELD namespace')
  })
})
