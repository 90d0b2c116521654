import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { DEFAULT_LIMITS } from '@perigee/core'
import {
  AttributeType,
  CreateIndexRequestSchema,
  DropIndexRequestSchema,
  GetIndexRequestSchema,
  type IndexSchema,
  ListIndexesRequestSchema,
  Metric,
  VectorType,
} from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { refusedAs } from '../../refused-as.spec-support.ts'
import { checkCreateIndex, checkDropIndex, checkGetIndex, checkListIndexes } from './index-requests.ts'

type IndexInit = Exclude<MessageInitShape<typeof IndexSchema>, { $typeName: string }>

const index: IndexInit = {
  name: 'docs',
  dimensions: 384,
  metric: Metric.COSINE,
  algorithm: { case: 'hnsw', value: {} },
  model: { id: 'm', revision: '1' },
}

const tag = (name: string) => ({ name, type: AttributeType.TAG })
const hnsw = (value: { m?: number; efConstruction?: number; efRuntime?: number }) => ({
  algorithm: { case: 'hnsw' as const, value },
})

describe('CreateIndex', () => {
  const createIndex = (init: IndexInit) => () =>
    checkCreateIndex(
      create(CreateIndexRequestSchema, { namespace: 'a', index: { ...index, ...init } }),
      DEFAULT_LIMITS,
    )

  it.each<[string, IndexInit, string]>([
    ['the least', {}, 'taken'],
    ['no name', { name: '' }, 'INVALID_FIELD index.name'],
    ['a name with a dot', { name: 'docs.v1' }, 'INVALID_FIELD index.name'],
    ['a name of 64 characters', { name: 'd'.repeat(64) }, 'TOO_LARGE index.name'],
    ['no dimensions', { dimensions: 0 }, 'INVALID_FIELD index.dimensions'],
    ['4,096 dimensions', { dimensions: 4096 }, 'taken'],
    ['4,097 dimensions', { dimensions: 4097 }, 'TOO_LARGE index.dimensions'],
    ['no metric', { metric: Metric.UNSPECIFIED }, 'INVALID_FIELD index.metric'],
    ['no algorithm', { algorithm: { case: undefined } }, 'INVALID_FIELD index.algorithm'],
    ['an m of 1', hnsw({ m: 1 }), 'INVALID_FIELD index.hnsw.m'],
    ['an m of 513', hnsw({ m: 513 }), 'INVALID_FIELD index.hnsw.m'],
    [
      'an ef_construction of 4,097',
      hnsw({ efConstruction: 4097 }),
      'INVALID_FIELD index.hnsw.ef_construction',
    ],
    ['an ef_runtime of 10,000', hnsw({ efRuntime: 10_000 }), 'taken'],
    ['an ef_runtime of 10,001', hnsw({ efRuntime: 10_001 }), 'TOO_LARGE index.hnsw.ef_runtime'],
    ['no model', { model: undefined as never }, 'INVALID_FIELD index.model'],
    ['a model without id', { model: { revision: '1' } }, 'INVALID_FIELD index.model.id'],
    ['a model without revision', { model: { id: 'm' } }, 'INVALID_FIELD index.model.revision'],
    [
      'a model id of 256 bytes',
      { model: { id: 'm'.repeat(256), revision: '1' } },
      'TOO_LARGE index.model.id',
    ],
    ['an attribute without name', { attributes: [tag('')] }, 'INVALID_FIELD index.attributes[0].name'],
    [
      'an attribute that begins with a digit',
      { attributes: [tag('1a')] },
      'INVALID_FIELD index.attributes[0].name',
    ],
    ['an attribute with a blank', { attributes: [tag('a b')] }, 'INVALID_FIELD index.attributes[0].name'],
    [
      'an attribute of 64 characters',
      { attributes: [tag('a'.repeat(64))] },
      'TOO_LARGE index.attributes[0].name',
    ],
    [
      'an attribute twice',
      { attributes: [tag('a'), tag('b'), tag('a')] },
      'INVALID_FIELD index.attributes[2].name',
    ],
    ['an attribute without type', { attributes: [{ name: 'a' }] }, 'INVALID_FIELD index.attributes[0].type'],
    [
      '65 attributes',
      { attributes: Array.from({ length: 65 }, (_, i) => tag(`a${i}`)) },
      'TOO_LARGE index.attributes',
    ],
    ['a default ttl of zero', { defaultTtl: { seconds: 0n, nanos: 0 } }, 'INVALID_FIELD index.default_ttl'],
  ])('with %s', (_, init, outcome) => {
    expect(refusedAs(createIndex(init))).toBe(outcome)
  })

  it.each(['embedding', 'chunk_id', 'region_tags', 'text'])('with an attribute called %s', (name) => {
    expect(refusedAs(createIndex({ attributes: [tag('ok'), tag(name)] }))).toBe(
      'INVALID_FIELD index.attributes[1].name',
    )
  })

  it('without an index', () => {
    const request = create(CreateIndexRequestSchema, { namespace: 'a' })
    expect(refusedAs(() => checkCreateIndex(request, DEFAULT_LIMITS))).toBe('INVALID_FIELD index')
  })

  it('takes the defaults for what is left open', () => {
    expect(createIndex({})().definition).toEqual({
      namespace: 'a',
      name: 'docs',
      dimensions: 384,
      metric: 'COSINE',
      vectorType: 'FLOAT32',
      algorithm: { kind: 'HNSW', m: 16, efConstruction: 200, efRuntime: 64 },
      model: { id: 'm', revision: '1' },
      attributes: [],
      regionScoped: false,
    })
  })

  it('takes what is given', () => {
    const { definition } = createIndex({
      metric: Metric.INNER_PRODUCT,
      vectorType: VectorType.FLOAT64,
      algorithm: { case: 'flat', value: {} },
      attributes: [{ name: 'year', type: AttributeType.NUMERIC }],
      defaultTtl: { seconds: 60n, nanos: 0 },
      regionScoped: true,
    })()
    expect(definition).toMatchObject({
      metric: 'IP',
      vectorType: 'FLOAT64',
      algorithm: { kind: 'FLAT' },
      attributes: [{ name: 'year', type: 'NUMERIC' }],
      defaultTtlMs: 60_000,
      regionScoped: true,
    })
  })
})

describe('GetIndex, ListIndexes, DropIndex', () => {
  it('refuse bad names', () => {
    const names = { namespace: 'a', name: 'B' }
    expect(refusedAs(() => checkGetIndex(create(GetIndexRequestSchema, names)))).toBe('INVALID_FIELD name')
    expect(refusedAs(() => checkDropIndex(create(DropIndexRequestSchema, names), DEFAULT_LIMITS))).toBe(
      'INVALID_FIELD name',
    )
    const list = create(ListIndexesRequestSchema, { namespace: 'a', pageSize: 1001 })
    expect(refusedAs(() => checkListIndexes(list, DEFAULT_LIMITS))).toBe('TOO_LARGE page_size')
  })
})
