import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { DEFAULT_LIMITS } from '@perigee/core'
import {
  type ChunkSchema,
  DeleteChunksRequestSchema,
  type Filter,
  FilterSchema,
  GetChunksRequestSchema,
  ListChunksRequestSchema,
  UpsertChunksRequestSchema,
} from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { refusedAs } from '../../refused-as.spec-support.ts'
import {
  checkDeleteChunks,
  checkGetChunks,
  checkListChunks,
  checkUpsertChunks,
  chunkInputs,
} from './chunk-requests.ts'

type ChunkInit = Exclude<MessageInitShape<typeof ChunkSchema>, { $typeName: string }>

const vector = { values: { case: 'floats' as const, value: { values: [1, 2] } } }
const ids = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`)

const definition: Omit<IndexDefinition, 'uid'> = {
  namespace: 'a',
  name: 'docs',
  dimensions: 2,
  metric: 'COSINE',
  vectorType: 'FLOAT32',
  algorithm: { kind: 'FLAT' },
  model: { id: 'm', revision: '1' },
  attributes: [
    { name: 'lang', type: 'TAG' },
    { name: 'year', type: 'NUMERIC' },
    { name: 'title', type: 'TEXT' },
  ],
  regionScoped: false,
}

function upsert(chunks: readonly ChunkInit[], where = definition) {
  const request = create(UpsertChunksRequestSchema, {
    namespace: 'a',
    index: 'docs',
    model: { id: 'm', revision: '1' },
    chunks: [...chunks],
  })
  const input = checkUpsertChunks(request, DEFAULT_LIMITS)
  return chunkInputs(input.chunks, where, ['us-east-1', 'eu-west-1'], DEFAULT_LIMITS)
}

describe('UpsertChunks', () => {
  it.each<[string, readonly ChunkInit[], string]>([
    ['no chunks', [], 'INVALID_FIELD chunks'],
    ['1,000 chunks', ids(1000).map((id) => ({ id, vector })), 'taken'],
    ['1,001 chunks', ids(1001).map((id) => ({ id, vector })), 'TOO_LARGE chunks'],
    ['a chunk without id', [{ id: 'a', vector }, { vector }], 'INVALID_FIELD chunks[1].id'],
    ['an id with NUL', [{ id: 'a\0', vector }], 'INVALID_FIELD chunks[0].id'],
    ['an id of 256 bytes', [{ id: 'i'.repeat(256), vector }], 'taken'],
    ['an id of 257 bytes', [{ id: 'i'.repeat(257), vector }], 'TOO_LARGE chunks[0].id'],
    [
      'an id twice',
      [
        { id: 'a', vector },
        { id: 'a', vector },
      ],
      'INVALID_FIELD chunks[1].id',
    ],
    [
      'a text over 1 MiB',
      [{ id: 'a', vector, text: 'x'.repeat(1024 * 1024 + 1) }],
      'TOO_LARGE chunks[0].text',
    ],
    ['no vector', [{ id: 'a', vector }, { id: 'b' }], 'INVALID_FIELD chunks[1].vector'],
    [
      'a vector of three',
      [{ id: 'a', vector: { values: { case: 'floats', value: { values: [1, 2, 3] } } } }],
      'DIMENSION_MISMATCH chunks[0].vector',
    ],
    [
      'a vector with NaN',
      [{ id: 'a', vector: { values: { case: 'floats', value: { values: [1, Number.NaN] } } } }],
      'INVALID_FIELD chunks[0].vector',
    ],
    ['a ttl of zero', [{ id: 'a', vector, ttl: { seconds: 0n, nanos: 0 } }], 'INVALID_FIELD chunks[0].ttl'],
    ['region tags', [{ id: 'a', vector, regionTags: ['eu-west-1'] }], 'INVALID_FIELD chunks[0].region_tags'],
    ['a tag', [{ id: 'a', vector, metadata: { lang: 'en' } }], 'taken'],
    ['a list of tags', [{ id: 'a', vector, metadata: { lang: ['en', 'de'] } }], 'taken'],
    [
      'a number for a tag',
      [{ id: 'a', vector, metadata: { lang: 1 } }],
      'INVALID_FIELD chunks[0].metadata.lang',
    ],
    [
      'a list of numbers for a tag',
      [{ id: 'a', vector, metadata: { lang: ['en', 1] } }],
      'INVALID_FIELD chunks[0].metadata.lang',
    ],
    [
      'null for a tag',
      [{ id: 'a', vector, metadata: { lang: null } }],
      'INVALID_FIELD chunks[0].metadata.lang',
    ],
    [
      'a text for a number',
      [{ id: 'a', vector, metadata: { year: '2024' } }],
      'INVALID_FIELD chunks[0].metadata.year',
    ],
    [
      'a list for a text',
      [{ id: 'a', vector, metadata: { title: ['t'] } }],
      'INVALID_FIELD chunks[0].metadata.title',
    ],
    [
      'NaN deep in the metadata',
      [{ id: 'a', vector, metadata: { other: [{ x: Number.NaN }] } }],
      'INVALID_FIELD chunks[0].metadata.other[0].x',
    ],
    [
      'metadata over 1 MiB',
      [{ id: 'a', vector, metadata: { other: 'x'.repeat(1024 * 1024) } }],
      'TOO_LARGE chunks[0].metadata',
    ],
    ['what nobody declared', [{ id: 'a', vector, metadata: { other: { deep: [1, null] } } }], 'taken'],
  ])('with %s', (_, chunks, outcome) => {
    expect(refusedAs(() => upsert(chunks))).toBe(outcome)
  })

  it('takes region tags of known regions in a region-scoped index', () => {
    const scoped = { ...definition, regionScoped: true }
    const chunk = { id: 'a', vector, regionTags: ['eu-west-1', 'eu-west-1'] }
    expect(upsert([chunk], scoped)[0]?.regionTags).toEqual(['eu-west-1'])
    expect(refusedAs(() => upsert([{ ...chunk, regionTags: ['mars'] }], scoped))).toBe(
      'INVALID_FIELD chunks[0].region_tags[0]',
    )
  })

  it("gives chunks without a ttl the index's", () => {
    const expiring = { ...definition, defaultTtlMs: 5000 }
    const [a, b] = upsert(
      [
        { id: 'a', vector },
        { id: 'b', vector, ttl: { seconds: 1n, nanos: 0 } },
      ],
      expiring,
    )
    expect([a?.ttlMs, b?.ttlMs]).toEqual([5000, 1000])
  })

  it('is refused without a whole model', () => {
    const request = create(UpsertChunksRequestSchema, {
      namespace: 'a',
      index: 'docs',
      chunks: [{ id: 'a', vector }],
    })
    expect(refusedAs(() => checkUpsertChunks(request, DEFAULT_LIMITS))).toBe('INVALID_FIELD model')
  })
})

const leaf = create(FilterSchema, {
  expression: { case: 'tagIn', value: { attribute: 'lang', values: ['en'] } },
})
const nested = (depth: number): Filter =>
  depth === 1 ? leaf : create(FilterSchema, { expression: { case: 'not', value: nested(depth - 1) } })
const wide = (count: number): Filter =>
  create(FilterSchema, {
    expression: { case: 'any', value: { filters: Array.from({ length: count }, () => leaf) } },
  })
const many = (count: number): Filter =>
  create(FilterSchema, { expression: { case: 'tagIn', value: { attribute: 'lang', values: ids(count) } } })

describe('DeleteChunks', () => {
  const remove = (selection: MessageInitShape<typeof DeleteChunksRequestSchema>['selection']) => () =>
    checkDeleteChunks(
      create(DeleteChunksRequestSchema, { namespace: 'a', index: 'docs', ...(selection && { selection }) }),
      DEFAULT_LIMITS,
    )

  it.each([
    ['no selection', undefined, 'INVALID_FIELD selection'],
    ['no ids', { case: 'ids' as const, value: { values: [] } }, 'INVALID_FIELD ids.values'],
    ['1,001 ids', { case: 'ids' as const, value: { values: ids(1001) } }, 'TOO_LARGE ids.values'],
    ['an empty id', { case: 'ids' as const, value: { values: ['a', ''] } }, 'INVALID_FIELD ids.values[1]'],
    ['a filter 16 deep', { case: 'filter' as const, value: nested(16) }, 'taken'],
    [
      'a filter 17 deep',
      { case: 'filter' as const, value: nested(17) },
      `TOO_LARGE filter${'.not'.repeat(16)}`,
    ],
    ['a filter of 257 expressions', { case: 'filter' as const, value: wide(256) }, 'TOO_LARGE filter'],
    ['1,001 tag values', { case: 'filter' as const, value: many(1001) }, 'TOO_LARGE filter.tag_in.values'],
  ])('with %s', (_, selection, outcome) => {
    expect(refusedAs(remove(selection))).toBe(outcome)
  })
})

describe('GetChunks and ListChunks', () => {
  it.each([
    ['no ids', [], 'INVALID_FIELD ids'],
    ['1,001 ids', ids(1001), 'TOO_LARGE ids'],
    ['an id with NUL', ['\0'], 'INVALID_FIELD ids[0]'],
  ])('GetChunks with %s', (_, list, outcome) => {
    const request = create(GetChunksRequestSchema, { namespace: 'a', index: 'docs', ids: list })
    expect(refusedAs(() => checkGetChunks(request, DEFAULT_LIMITS))).toBe(outcome)
  })

  it.each([
    ['a page of 1,001', { pageSize: 1001 }, 'TOO_LARGE page_size'],
    ['a filter 17 deep', { filter: nested(17) }, `TOO_LARGE filter${'.not'.repeat(16)}`],
    ['a bad index name', { index: 'Docs' }, 'INVALID_FIELD index'],
  ])('ListChunks with %s', (_, init, outcome) => {
    const request = create(ListChunksRequestSchema, { namespace: 'a', index: 'docs', ...init })
    expect(refusedAs(() => checkListChunks(request, DEFAULT_LIMITS))).toBe(outcome)
  })
})
