import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { DEFAULT_LIMITS } from '@perigee/core'
import { SearchRequestSchema } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { refusedAs } from '../../refused-as.spec-support.ts'
import { indexOfModel } from './model.ts'
import { checkSearch } from './search-request.ts'

type SearchInit = Exclude<MessageInitShape<typeof SearchRequestSchema>, { $typeName: string }>

const vector = { values: { case: 'floats' as const, value: { values: [1, 2] } } }
const model = { id: 'm', revision: '1' }

describe('Search', () => {
  const search = (init: SearchInit) => () =>
    checkSearch(
      create(SearchRequestSchema, { namespace: 'a', index: 'docs', model, vector, ...init }),
      DEFAULT_LIMITS,
    )

  it.each<[string, SearchInit, string]>([
    ['the least', {}, 'taken'],
    ['no index', { index: '' }, 'INVALID_FIELD index'],
    ['no model', { model: undefined as never }, 'INVALID_FIELD model'],
    ['a model without revision', { model: { id: 'm' } }, 'INVALID_FIELD model.revision'],
    ['no vector', { vector: undefined as never }, 'INVALID_FIELD vector'],
    ['a vector without values', { vector: {} }, 'INVALID_FIELD vector'],
    ['a k of 1,000', { k: 1000 }, 'taken'],
    ['a k of 1,001', { k: 1001 }, 'TOO_LARGE k'],
    ['an ef_runtime of 10,000', { efRuntime: 10_000 }, 'taken'],
    ['an ef_runtime of 10,001', { efRuntime: 10_001 }, 'TOO_LARGE ef_runtime'],
    ['a max_distance of NaN', { maxDistance: Number.NaN }, 'INVALID_FIELD max_distance'],
    ['an infinite max_distance', { maxDistance: Number.POSITIVE_INFINITY }, 'INVALID_FIELD max_distance'],
    ['a negative max_distance', { maxDistance: -1 }, 'taken'],
    ['a text query', { textQuery: 'words' }, 'NOT_YET text_query'],
    ['a text weight', { textWeight: 0.5 }, 'NOT_YET text_weight'],
    ['a staleness limit', { options: { maxStaleness: { seconds: 1n, nanos: 0 } } }, 'taken'],
  ])('with %s', (_, init, outcome) => {
    expect(refusedAs(search(init))).toBe(outcome)
  })

  it('asks for ten hits when it does not say', () => {
    expect(search({})().k).toBe(10)
  })
})

describe('a model', () => {
  it.each([
    ['the same', model, 'taken'],
    ['another revision', { id: 'm', revision: '2' }, 'MODEL_MISMATCH'],
    ['another id', { id: 'n', revision: '1' }, 'MODEL_MISMATCH'],
  ])('that is %s', (_, other, outcome) => {
    const index = { name: 'docs', model } as IndexDefinition
    expect(refusedAs(() => indexOfModel(other, { indexes: [index] }))).toBe(outcome)
  })
})
