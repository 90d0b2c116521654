import { create } from '@bufbuild/protobuf'
import { startRedis } from '@perigee/embedded-redis'
import {
  type Filter,
  FilterListSchema,
  FilterSchema,
  NumberRangeSchema,
  TagInSchema,
  TextMatchSchema,
} from '@perigee/protocol'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { StoredChunk } from '../redis/change-log.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { IndexRedis } from '../redis/index-redis.ts'
import { createCommand, searchCommand } from '../redis/search-commands.ts'
import { copyFields, copyFrom } from './copy.ts'
import { compileFilter, compileFilterAmongKeys } from './filter-query.ts'
import {
  anyFilter,
  anyMetadata,
  anySentence,
  type FilterMetadata,
  matchesFilter,
  tagIn,
} from './filters.spec-support.ts'
import { TAG_SEPARATOR } from './tag-value.ts'

const definition: IndexDefinition = {
  namespace: 'ns',
  name: 'docs',
  uid: '1-1',
  dimensions: 2,
  metric: 'COSINE',
  vectorType: 'FLOAT32',
  algorithm: { kind: 'FLAT' },
  model: { id: 'm', revision: '1' },
  attributes: [
    { name: 'tag', type: 'TAG' },
    { name: 'num', type: 'NUMERIC' },
    { name: 'body', type: 'TEXT' },
  ],
  regionScoped: false,
}

let redis: Awaited<ReturnType<typeof startRedis>>
let index: IndexRedis

beforeAll(async () => {
  redis = await startRedis({ search: true })
  index = new IndexRedis({ url: redis.url, log: pino({ level: 'silent' }), name: 'spec' })
  index.start()
  await vi.waitFor(() => expect(index.usable).toBe(true))
})

afterAll(async () => {
  index?.stop()
  await redis?.[Symbol.asyncDispose]()
})

/** The keys that a filter finds, alone and before a search for the nearest. */
async function hits(
  filter: Filter | undefined,
  livingAtMs?: number,
): Promise<{ alone: string[]; nearest: string[] }> {
  const { query, params } = compileFilter(filter, definition, livingAtMs)
  const find = async (text: string, more = {}) => {
    const options = { fields: [], params: { ...params, ...more }, count: 1000, timeoutMs: 5000 }
    const found = await index.search(searchCommand('i', text, options))
    return found.documents.map((d) => d.key).sort()
  }
  const vector = Buffer.from(Float32Array.of(1, 1).buffer)
  return {
    alone: await find(query),
    nearest: await find(`${query}=>[KNN 1000 @embedding $vector]`, { vector }),
  }
}

/** The keys that a filter finds among the keys of all chunks, as a listing asks. */
async function hitsAmong(filter: Filter, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, i) => `c:${i}`)
  const found = new Set<string>()
  for (const { query, params } of compileFilterAmongKeys(filter, definition)) {
    const options = { fields: [], params, count: 1000, timeoutMs: 5000, keys }
    const { documents } = await index.search(searchCommand('i', query, options))
    for (const { key } of documents) found.add(key)
  }
  return [...found].sort()
}

function numbers(range: { readonly min?: number; readonly max?: number }): Filter {
  const value = create(NumberRangeSchema, { attribute: 'num', ...range })
  return create(FilterSchema, { expression: { case: 'numberRange', value } })
}

function words(attribute: string, text: string): Filter {
  const value = create(TextMatchSchema, { attribute, words: text })
  return create(FilterSchema, { expression: { case: 'textMatch', value } })
}

function list(name: 'all' | 'any', ...filters: Filter[]): Filter {
  return create(FilterSchema, { expression: { case: name, value: create(FilterListSchema, { filters }) } })
}

function not(value: Filter): Filter {
  return create(FilterSchema, { expression: { case: 'not', value } })
}

const NOW_MS = 1_763_848_912_345.678

/** Of two chunks in three: one expires this very moment, or just after it. */
function expiryOf(i: number): number {
  return i % 3 === 1 ? NOW_MS : NOW_MS + 0.5
}

async function fill(all: readonly (readonly [FilterMetadata, string])[]): Promise<void> {
  await index.call('FLUSHALL')
  await index.search(createCommand({ name: 'i', prefix: 'c:', definition, tagSeparator: TAG_SEPARATOR }))
  await index.batch(
    all.map(([fields, text], i) => {
      const chunk: StoredChunk = {
        indexUid: '1-1',
        id: `${i}`,
        text,
        vector: Buffer.alloc(8, 1),
        metadata: JSON.stringify(fields),
        regionTags: [],
        position: { epoch: 1, seq: i },
        writtenAtMs: 1,
        ...(i % 3 > 0 && { expiresAtMs: expiryOf(i) }),
      }
      return ['HSET', `c:${i}`, ...copyFields(chunk, definition)] as const
    }),
  )
}

it('gives the same hits as the filter means, for any chunks and filters', { timeout: 60_000 }, async () => {
  const chunks = fc.array(fc.tuple(anyMetadata, anySentence), { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(chunks, fc.array(anyFilter, { minLength: 1, maxLength: 10 }), async (all, filters) => {
      await fill(all)
      for (const each of filters) {
        const expected = all.flatMap(([fields, text], i) =>
          matchesFilter(each, { ...fields, text }) ? [`c:${i}`] : [],
        )
        expect(await hits(each)).toEqual({ alone: expected.sort(), nearest: expected })
        expect(await hitsAmong(each, all.length)).toEqual(expected)
        const living = expected.filter((key) => Number(key.slice(2)) % 3 !== 1)
        expect(await hits(each, NOW_MS)).toEqual({ alone: living, nearest: living })
      }
    }),
    { numRuns: 200 },
  )
})

it('leaves out what has expired, and nothing that never does, without a filter too', async () => {
  await fill(Array.from({ length: 6 }, () => [{}, ''] as const))
  const living = ['c:0', 'c:2', 'c:3', 'c:5']
  expect(await hits(undefined, NOW_MS)).toEqual({ alone: living, nearest: living })
  expect((await hits(undefined)).nearest).toHaveLength(6)
})

it('negates a word of one field without taking it for one of another, at the end of the index too', async () => {
  await fill([
    [{ body: 'e' }, ''],
    [{}, ''],
    [{}, 'e'],
  ])
  const both = list('all', not(words('text', 'absent')), not(words('body', 'e')))
  expect(await hits(both)).toEqual({ alone: ['c:1', 'c:2'], nearest: ['c:1', 'c:2'] })
})

it('finds all among given keys by a filter that other searches ask as a union of intersections', async () => {
  await fill([{ tag: ['é'], num: 0 }, { num: 0 }, { num: 0.1 }].map((fields) => [fields, ''] as const))
  const untagged = not(tagIn(['é']))
  const filter = list('any', list('all', numbers({ min: 0.1 }), untagged), list('all', numbers({}), untagged))
  expect(compileFilter(filter, definition).query).toContain(') | (')
  expect(await hitsAmong(filter, 3)).toEqual(['c:1', 'c:2'])
})

it('finds all among given keys by a filter of too many cases for one query', async () => {
  await fill(Array.from({ length: 30 }, (_, num) => [{ tag: [`t${num % 3}`], num }, ''] as const))
  const cases = Array.from({ length: 12 }, (_, i) =>
    list('all', tagIn([`t${i % 3}`]), not(numbers({ min: i })), numbers({ min: i - 3 })),
  )
  const filter = list('any', ...cases)
  expect(compileFilterAmongKeys(filter, definition)).toHaveLength(12)
  const expected = Array.from({ length: 30 }, (_, i) => i).filter((num) =>
    matchesFilter(filter, { tag: [`t${num % 3}`], num, text: '' }),
  )
  expect(expected.length).toBeGreaterThan(3)
  expect(await hitsAmong(filter, 30)).toEqual(expected.map((i) => `c:${i}`).sort())
})

it('finds nothing that has expired by a filter of more clauses than a union of RediSearch takes at once', async () => {
  await fill([{}, {}, {}, { num: 0 }, { num: 0 }, {}].map((fields) => [fields, ''] as const))
  const large = list(
    'all',
    not(words('body', '日本。語')),
    list(
      'any',
      ...[words('body', 'the the'), numbers({}), words('body', 'the q r the')],
      list('all', words('body', 'the x y the'), numbers({ max: 0 })),
    ),
    not(words('body', 'the q r')),
  )
  expect(await hits(large)).toEqual({ alone: ['c:3', 'c:4'], nearest: ['c:3', 'c:4'] })
  expect(await hits(large, NOW_MS)).toEqual({ alone: ['c:3'], nearest: ['c:3'] })
})

it('reads a copy back as it was', async () => {
  const chunk: StoredChunk = {
    indexUid: '1-1',
    id: 'a\\b “c”',
    text: 'x\0y\nz',
    vector: Buffer.alloc(8, 1),
    metadata: '{"tag":"é"}',
    regionTags: ['us-east-1', 'eu-west-1'],
    position: { epoch: 3, seq: 4 },
    writtenAtMs: 5,
    expiresAtMs: 6,
  }
  await index.call('HSET', 'back', ...copyFields(chunk, definition))
  const flat = (await index.call('HGETALL', 'back')) as Buffer[]
  const fields: Record<string, Buffer> = {}
  for (let i = 0; i < flat.length; i += 2) fields[String(flat[i])] = flat[i + 1] as Buffer
  const { indexUid, ...rest } = chunk
  expect(copyFrom(fields)).toEqual(rest)
})

it('refuses attributes that the index lacks or that are of another type', () => {
  expect(() => compileFilter(tagIn([]), definition)).toThrow('filter.tag_in.values needs at least one value')
  const value = create(TagInSchema, { attribute: 'num', values: ['1'] })
  const inner = create(FilterSchema, { expression: { case: 'tagIn', value } })
  const outer = create(FilterSchema, {
    expression: { case: 'any', value: create(FilterListSchema, { filters: [inner] }) },
  })
  expect(() => compileFilter(outer, definition)).toThrow(
    'filter.any.filters[0].tag_in.attribute names num, which is a NUMERIC attribute',
  )
  value.attribute = 'no'
  expect(() => compileFilter(outer, definition)).toThrow('tag, num, body')
})
