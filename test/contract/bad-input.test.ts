import { create, type DescMethod, type Message, type MessageInitShape } from '@bufbuild/protobuf'
import { LocalCluster } from '@perigee/local-cluster'
import {
  AttributeType,
  CacheService,
  ChunkSchema,
  ClusterService,
  Consistency,
  CreateIndexRequestSchema,
  DeleteAliasRequestSchema,
  DeleteChunksRequestSchema,
  DeleteRequestSchema,
  EntrySchema,
  type Filter,
  FilterSchema,
  GetChunksRequestSchema,
  GetManyRequestSchema,
  GetRequestSchema,
  type IndexSchema,
  ListChunksRequestSchema,
  ListKeysRequestSchema,
  LookupRequestSchema,
  Metric,
  ProbeLagRequestSchema,
  PromoteRequestSchema,
  PutAliasRequestSchema,
  RebuildIndexRequestSchema,
  SearchRequestSchema,
  SearchService,
  SemanticCacheService,
  SetManyRequestSchema,
  SetRequestSchema,
  UpsertChunksRequestSchema,
  VerifyIndexRequestSchema,
  WatchStatusRequestSchema,
} from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CallError, RawClient } from '../support/clients.ts'
import { ServiceClient } from '../support/service-client.ts'
import { storeContents } from '../support/store-contents.ts'
import { waitFor } from '../support/wait-for.ts'

type Init<S extends Parameters<typeof create>[0]> = Exclude<MessageInitShape<S>, { $typeName: string }>

/** One refusal: the call, and `STATUS REASON field`. */
type Case = readonly [title: string, method: DescMethod, request: Message, refusal: string]

const NAMESPACE = 'bad-input'
const MODEL = { id: 'model', revision: '1' }
const MIB = 1024 * 1024
const duration = (seconds: number, nanos = 0) => ({ seconds: BigInt(seconds), nanos })
const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`)
const floats = (...values: number[]) => ({ values: { case: 'floats' as const, value: { values } } })
const float64 = (...values: number[]) => ({
  values: { case: 'float64Le' as const, value: new Uint8Array(Float64Array.from(values).buffer) },
})

/** The message with field 100 set, which no version knows. */
function withUnknownField<T extends Message>(message: T): T {
  message.$unknown = [{ no: 100, wireType: 0, data: new Uint8Array([1]) }]
  return message
}

const get = (init: Init<typeof GetRequestSchema>) =>
  create(GetRequestSchema, { namespace: NAMESPACE, key: 'kept', ...init })
const set = (init: Init<typeof SetRequestSchema>) =>
  create(SetRequestSchema, { namespace: NAMESPACE, key: 'new', ...init })
const cache = CacheService.method
const cacheCases: Case[] = [
  ['a namespace in capitals', cache.get, get({ namespace: 'A' }), 'INVALID_ARGUMENT INVALID_FIELD namespace'],
  [
    'a namespace of 64',
    cache.get,
    get({ namespace: 'a'.repeat(64) }),
    'INVALID_ARGUMENT TOO_LARGE namespace',
  ],
  ['no key', cache.get, get({ key: '' }), 'INVALID_ARGUMENT INVALID_FIELD key'],
  ['a key with NUL', cache.get, get({ key: 'a\0' }), 'INVALID_ARGUMENT INVALID_FIELD key'],
  ['a key over 1 KiB', cache.get, get({ key: 'é'.repeat(513) }), 'INVALID_ARGUMENT TOO_LARGE key'],
  [
    'an unknown consistency',
    cache.get,
    get({ options: { consistency: 99 as Consistency } }),
    'INVALID_ARGUMENT INVALID_FIELD options.consistency',
  ],
  [
    'a negative wait',
    cache.get,
    get({ options: { maxWait: duration(-1) } }),
    'INVALID_ARGUMENT INVALID_FIELD options.max_wait',
  ],
  [
    'a wait out of range',
    cache.get,
    get({ options: { maxWait: duration(1, -1) } }),
    'INVALID_ARGUMENT INVALID_FIELD options.max_wait',
  ],
  [
    'garbage for a token',
    cache.get,
    get({ options: { sessionToken: new Uint8Array([1, 2, 3]) } }),
    'INVALID_ARGUMENT INVALID_TOKEN options.session_token',
  ],
  [
    'a negative max_staleness',
    cache.get,
    get({ options: { maxStaleness: duration(-1) } }),
    'INVALID_ARGUMENT INVALID_FIELD options.max_staleness',
  ],
  ['an unknown field', cache.get, withUnknownField(get({})), 'UNIMPLEMENTED UNKNOWN_FIELD 100'],
  [
    'no keys',
    cache.getMany,
    create(GetManyRequestSchema, { namespace: NAMESPACE }),
    'INVALID_ARGUMENT INVALID_FIELD keys',
  ],
  [
    '1,001 keys',
    cache.getMany,
    create(GetManyRequestSchema, { namespace: NAMESPACE, keys: names(1001) }),
    'INVALID_ARGUMENT TOO_LARGE keys',
  ],
  [
    'a value over 1 MiB',
    cache.set,
    set({ value: new Uint8Array(MIB + 1) }),
    'INVALID_ARGUMENT TOO_LARGE value',
  ],
  [
    'a content type over 255 bytes',
    cache.set,
    set({ contentType: 'x'.repeat(256) }),
    'INVALID_ARGUMENT TOO_LARGE content_type',
  ],
  ['a ttl of zero', cache.set, set({ ttl: duration(0) }), 'INVALID_ARGUMENT INVALID_FIELD ttl'],
  ['a negative ttl', cache.set, set({ ttl: duration(-5) }), 'INVALID_ARGUMENT INVALID_FIELD ttl'],
  [
    'a precondition without condition',
    cache.set,
    set({ precondition: {} }),
    'INVALID_ARGUMENT INVALID_FIELD precondition',
  ],
  [
    'a request id over 64 bytes',
    cache.set,
    set({ options: { requestId: 'r'.repeat(65) } }),
    'INVALID_ARGUMENT TOO_LARGE options.request_id',
  ],
  [
    'a precondition that does not hold',
    cache.set,
    set({ precondition: { condition: { case: 'exists', value: true } } }),
    'ABORTED PRECONDITION_FAILED',
  ],
  ['an unknown field in a Set', cache.set, withUnknownField(set({})), 'UNIMPLEMENTED UNKNOWN_FIELD 100'],
  [
    'one bad entry of two',
    cache.setMany,
    create(SetManyRequestSchema, { namespace: NAMESPACE, entries: [{ key: 'good' }, { key: '' }] }),
    'INVALID_ARGUMENT INVALID_FIELD entries[1].key',
  ],
  [
    'one entry with an unknown field',
    cache.setMany,
    create(SetManyRequestSchema, {
      namespace: NAMESPACE,
      entries: [{ key: 'good' }, withUnknownField(create(EntrySchema, { key: 'bad' }))],
    }),
    'UNIMPLEMENTED UNKNOWN_FIELD entries[1].100',
  ],
  [
    'a key twice',
    cache.setMany,
    create(SetManyRequestSchema, { namespace: NAMESPACE, entries: [{ key: 'a' }, { key: 'a' }] }),
    'INVALID_ARGUMENT INVALID_FIELD entries[1].key',
  ],
  [
    '1,001 entries',
    cache.setMany,
    create(SetManyRequestSchema, { namespace: NAMESPACE, entries: names(1001).map((key) => ({ key })) }),
    'INVALID_ARGUMENT TOO_LARGE entries',
  ],
  [
    'a timestamp out of range',
    cache.setMany,
    create(SetManyRequestSchema, {
      namespace: NAMESPACE,
      entries: [{ key: 'a', expiresAt: duration(253_402_300_800) }],
    }),
    'INVALID_ARGUMENT INVALID_FIELD entries[0].expires_at',
  ],
  [
    'a message over 4 MiB',
    cache.setMany,
    create(SetManyRequestSchema, {
      namespace: NAMESPACE,
      entries: names(5).map((key) => ({ key, value: new Uint8Array(MIB) })),
    }),
    'RESOURCE_EXHAUSTED',
  ],
  [
    'two keys and a precondition',
    cache.delete,
    create(DeleteRequestSchema, {
      namespace: NAMESPACE,
      keys: ['kept', 'other'],
      precondition: { condition: { case: 'exists', value: true } },
    }),
    'INVALID_ARGUMENT INVALID_FIELD keys',
  ],
  [
    'a page of 1,001',
    cache.listKeys,
    create(ListKeysRequestSchema, { namespace: NAMESPACE, pageSize: 1001 }),
    'INVALID_ARGUMENT TOO_LARGE page_size',
  ],
  [
    'a made-up page token',
    cache.listKeys,
    create(ListKeysRequestSchema, { namespace: NAMESPACE, pageToken: 'made-up' }),
    'INVALID_ARGUMENT INVALID_FIELD page_token',
  ],
]

const INDEX: Init<typeof IndexSchema> = {
  name: 'new',
  dimensions: 2,
  metric: Metric.COSINE,
  algorithm: { case: 'flat', value: {} },
  model: MODEL,
}
const createIndex = (init: Init<typeof IndexSchema>) =>
  create(CreateIndexRequestSchema, { namespace: NAMESPACE, index: { ...INDEX, ...init } })
const upsert = (...chunks: MessageInitShape<typeof ChunkSchema>[]) =>
  create(UpsertChunksRequestSchema, { namespace: NAMESPACE, index: 'docs', model: MODEL, chunks })
const searchFor = (init: Init<typeof SearchRequestSchema>) =>
  create(SearchRequestSchema, {
    namespace: NAMESPACE,
    index: 'docs',
    model: MODEL,
    vector: floats(1, 0),
    ...init,
  })
const chunk = (init: Init<typeof ChunkSchema>) => ({ id: 'new', vector: floats(1, 2), ...init })
const filter = (expression: Filter['expression']) => create(FilterSchema, { expression })
const tag = (attribute: string, ...values: string[]) =>
  ({ case: 'tagIn', value: { attribute, values } }) as Filter['expression']
const nest = (depth: number): Filter =>
  filter(depth === 1 ? tag('lang', 'en') : { case: 'not', value: nest(depth - 1) })
const searches = SearchService.method
const searchCases: Case[] = [
  [
    'an index without metric',
    searches.createIndex,
    createIndex({ metric: 0 }),
    'INVALID_ARGUMENT INVALID_FIELD index.metric',
  ],
  [
    'an index without algorithm',
    searches.createIndex,
    createIndex({ algorithm: { case: undefined } }),
    'INVALID_ARGUMENT INVALID_FIELD index.algorithm',
  ],
  [
    'an index without revision',
    searches.createIndex,
    createIndex({ model: { id: 'm' } }),
    'INVALID_ARGUMENT INVALID_FIELD index.model.revision',
  ],
  [
    '4,097 dimensions',
    searches.createIndex,
    createIndex({ dimensions: 4097 }),
    'INVALID_ARGUMENT TOO_LARGE index.dimensions',
  ],
  [
    'an attribute with a reserved name',
    searches.createIndex,
    createIndex({ attributes: [{ name: 'embedding', type: AttributeType.TAG }] }),
    'INVALID_ARGUMENT INVALID_FIELD index.attributes[0].name',
  ],
  [
    'an attribute of a wrong form',
    searches.createIndex,
    createIndex({ attributes: [{ name: 'a-b', type: AttributeType.TAG }] }),
    'INVALID_ARGUMENT INVALID_FIELD index.attributes[0].name',
  ],
  [
    'an ef_runtime of 10,001',
    searches.createIndex,
    createIndex({ algorithm: { case: 'hnsw', value: { efRuntime: 10_001 } } }),
    'INVALID_ARGUMENT TOO_LARGE index.hnsw.ef_runtime',
  ],
  [
    'an index that exists',
    searches.createIndex,
    createIndex({ name: 'docs' }),
    'ALREADY_EXISTS INDEX_EXISTS',
  ],
  ['no chunks', searches.upsertChunks, upsert(), 'INVALID_ARGUMENT INVALID_FIELD chunks'],
  [
    'one bad chunk of two',
    searches.upsertChunks,
    upsert(chunk({ id: 'good' }), chunk({ id: '' })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[1].id',
  ],
  [
    'a chunk id over 256 bytes',
    searches.upsertChunks,
    upsert(chunk({ id: 'i'.repeat(257) })),
    'INVALID_ARGUMENT TOO_LARGE chunks[0].id',
  ],
  [
    'three dimensions for two',
    searches.upsertChunks,
    upsert(chunk({ vector: floats(1, 2, 3) })),
    'INVALID_ARGUMENT DIMENSION_MISMATCH chunks[0].vector',
  ],
  [
    'NaN in a vector',
    searches.upsertChunks,
    upsert(chunk({}), chunk({ id: 'nan', vector: floats(1, Number.NaN) })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[1].vector',
  ],
  [
    'an infinity in a vector',
    searches.upsertChunks,
    upsert(chunk({ vector: float64(1, Number.POSITIVE_INFINITY) })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[0].vector',
  ],
  [
    'a zero vector under cosine',
    searches.upsertChunks,
    upsert(chunk({ vector: floats(0, 0) })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[0].vector',
  ],
  [
    'a vector without values',
    searches.upsertChunks,
    upsert(chunk({ vector: {} })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[0].vector',
  ],
  [
    'no dimensions for two',
    searches.upsertChunks,
    upsert(chunk({ vector: floats() })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[0].vector',
  ],
  [
    'torn bytes for a vector',
    searches.upsertChunks,
    upsert(chunk({ vector: { values: { case: 'float32Le', value: new Uint8Array(7) } } })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[0].vector.float32_le',
  ],
  [
    'a number for a tag',
    searches.upsertChunks,
    upsert(chunk({ metadata: { lang: 7 } })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[0].metadata.lang',
  ],
  [
    'region tags in an index that is not region-scoped',
    searches.upsertChunks,
    upsert(chunk({ regionTags: ['us-east-1'] })),
    'INVALID_ARGUMENT INVALID_FIELD chunks[0].region_tags',
  ],
  [
    'two expected versions for one chunk',
    searches.upsertChunks,
    create(UpsertChunksRequestSchema, {
      ...{ namespace: NAMESPACE, index: 'docs', chunks: [chunk({})], model: MODEL },
      expectedVersions: ['', '*'],
    }),
    'INVALID_ARGUMENT INVALID_FIELD expected_versions',
  ],
  [
    'an expected version that is none',
    searches.upsertChunks,
    create(UpsertChunksRequestSchema, {
      ...{ namespace: NAMESPACE, index: 'docs', chunks: [chunk({})], model: MODEL },
      expectedVersions: ['new'],
    }),
    'INVALID_ARGUMENT INVALID_FIELD expected_versions[0]',
  ],
  [
    'another model',
    searches.upsertChunks,
    create(UpsertChunksRequestSchema, {
      ...{ namespace: NAMESPACE, index: 'docs', chunks: [chunk({})] },
      model: { id: 'model', revision: '2' },
    }),
    'FAILED_PRECONDITION MODEL_MISMATCH',
  ],
  [
    'an index that does not exist',
    searches.upsertChunks,
    create(UpsertChunksRequestSchema, {
      ...{ namespace: NAMESPACE, index: 'none', chunks: [chunk({})], model: MODEL },
    }),
    'NOT_FOUND INDEX_NOT_FOUND',
  ],
  [
    'an unknown field deep in a chunk',
    searches.upsertChunks,
    upsert(chunk({}), withUnknownField(create(ChunkSchema, chunk({ id: 'other' })))),
    'UNIMPLEMENTED UNKNOWN_FIELD chunks[1].100',
  ],
  [
    'a deletion of nothing',
    searches.deleteChunks,
    create(DeleteChunksRequestSchema, { namespace: NAMESPACE, index: 'docs' }),
    'INVALID_ARGUMENT INVALID_FIELD selection',
  ],
  [
    'a deletion by an unknown attribute',
    searches.deleteChunks,
    create(DeleteChunksRequestSchema, {
      ...{ namespace: NAMESPACE, index: 'docs' },
      selection: { case: 'filter', value: filter(tag('nope', 'x')) },
    }),
    'INVALID_ARGUMENT INVALID_FIELD filter.tag_in.attribute',
  ],
  [
    '1,001 ids',
    searches.getChunks,
    create(GetChunksRequestSchema, { namespace: NAMESPACE, index: 'docs', ids: names(1001) }),
    'INVALID_ARGUMENT TOO_LARGE ids',
  ],
  [
    'a filter 17 deep',
    searches.listChunks,
    create(ListChunksRequestSchema, { namespace: NAMESPACE, index: 'docs', filter: nest(17) }),
    `INVALID_ARGUMENT TOO_LARGE filter${'.not'.repeat(16)}`,
  ],
  [
    'no vector',
    searches.search,
    searchFor({ vector: undefined as never }),
    'INVALID_ARGUMENT INVALID_FIELD vector',
  ],
  ['a k of 1,001', searches.search, searchFor({ k: 1001 }), 'INVALID_ARGUMENT TOO_LARGE k'],
  ['a k of 2³² − 1', searches.search, searchFor({ k: 2 ** 32 - 1 }), 'INVALID_ARGUMENT TOO_LARGE k'],
  [
    'NaN in a vector to search by',
    searches.search,
    searchFor({ vector: floats(1, Number.NaN) }),
    'INVALID_ARGUMENT INVALID_FIELD vector',
  ],
  [
    'an infinity in a vector to search by',
    searches.search,
    searchFor({ vector: float64(Number.NEGATIVE_INFINITY, 1) }),
    'INVALID_ARGUMENT INVALID_FIELD vector',
  ],
  [
    'a page of 1,001 chunks',
    searches.listChunks,
    create(ListChunksRequestSchema, { namespace: NAMESPACE, index: 'docs', pageSize: 1001 }),
    'INVALID_ARGUMENT TOO_LARGE page_size',
  ],
  [
    'an ef_runtime of 2³² − 1',
    searches.search,
    searchFor({ efRuntime: 2 ** 32 - 1 }),
    'INVALID_ARGUMENT TOO_LARGE ef_runtime',
  ],
  [
    'an ef_runtime over the limit',
    searches.search,
    searchFor({ efRuntime: 10_001 }),
    'INVALID_ARGUMENT TOO_LARGE ef_runtime',
  ],
  [
    'a max_distance of NaN',
    searches.search,
    searchFor({ maxDistance: Number.NaN }),
    'INVALID_ARGUMENT INVALID_FIELD max_distance',
  ],
  [
    'a search with three dimensions',
    searches.search,
    searchFor({ vector: floats(1, 2, 3) }),
    'INVALID_ARGUMENT DIMENSION_MISMATCH vector',
  ],
  [
    'a search with another model',
    searches.search,
    searchFor({ model: { id: 'other', revision: '1' } }),
    'FAILED_PRECONDITION MODEL_MISMATCH',
  ],
  [
    'a filter without expression',
    searches.search,
    searchFor({ filter: filter({ case: 'not', value: create(FilterSchema) }) }),
    'INVALID_ARGUMENT INVALID_FIELD filter.not',
  ],
  [
    'an empty list of tags',
    searches.search,
    searchFor({ filter: filter(tag('lang')) }),
    'INVALID_ARGUMENT INVALID_FIELD filter.tag_in.values',
  ],
  ['a text query', searches.search, searchFor({ textQuery: 'words' }), 'UNIMPLEMENTED NOT_YET text_query'],
  [
    'no alias',
    searches.putAlias,
    create(PutAliasRequestSchema, { namespace: NAMESPACE }),
    'INVALID_ARGUMENT INVALID_FIELD alias',
  ],
  [
    'an alias of an index that does not exist',
    searches.putAlias,
    create(PutAliasRequestSchema, { namespace: NAMESPACE, alias: { name: 'live', indexes: ['none'] } }),
    'NOT_FOUND INDEX_NOT_FOUND',
  ],
  [
    "an alias with an index's name",
    searches.putAlias,
    create(PutAliasRequestSchema, { namespace: NAMESPACE, alias: { name: 'docs', indexes: ['docs'] } }),
    'INVALID_ARGUMENT INVALID_FIELD alias.indexes',
  ],
  [
    'deleting an alias that does not exist',
    searches.deleteAlias,
    create(DeleteAliasRequestSchema, { namespace: NAMESPACE, name: 'live' }),
    'NOT_FOUND ALIAS_NOT_FOUND',
  ],
]

const lookups = SemanticCacheService.method
const semanticCases: Case[] = [
  ['a semantic lookup', lookups.lookup, create(LookupRequestSchema), 'UNIMPLEMENTED NOT_YET'],
]

const cluster = ClusterService.method
const streamCases: Case[] = [
  [
    'a watch every 10 ms',
    cluster.watchStatus,
    create(WatchStatusRequestSchema, { interval: duration(0, 10_000_000) }),
    'INVALID_ARGUMENT INVALID_FIELD interval',
  ],
  [
    '10,001 probes',
    cluster.probeLag,
    create(ProbeLagRequestSchema, { samples: 10_001 }),
    'INVALID_ARGUMENT TOO_LARGE samples',
  ],
  [
    'a verification of nothing',
    cluster.verifyIndex,
    create(VerifyIndexRequestSchema),
    'INVALID_ARGUMENT INVALID_FIELD namespace',
  ],
  [
    'a verification of an index that does not exist',
    cluster.verifyIndex,
    create(VerifyIndexRequestSchema, { namespace: NAMESPACE, index: 'nothing' }),
    'NOT_FOUND INDEX_NOT_FOUND',
  ],
  [
    'a rebuild of an index that does not exist',
    cluster.rebuildIndex,
    create(RebuildIndexRequestSchema, { namespace: NAMESPACE, index: 'nothing' }),
    'NOT_FOUND INDEX_NOT_FOUND',
  ],
  [
    'a promotion of a region that does not exist',
    cluster.promote,
    create(PromoteRequestSchema, { region: 'nowhere' }),
    'INVALID_ARGUMENT INVALID_FIELD region',
  ],
]

let regions: LocalCluster

beforeAll(async () => {
  regions = await LocalCluster.start({
    regions: ['us-east-1', 'eu-west-1'],
    distances: 'none',
    sentinel: false,
  })
  using client = new RawClient(addressOf('us-east-1'))
  await waitFor('a first write', () => client.cache.set({ namespace: NAMESPACE, key: 'kept' }))
  await client.search.createIndex({
    namespace: NAMESPACE,
    index: { ...INDEX, name: 'docs', attributes: [{ name: 'lang', type: AttributeType.TAG }] },
  })
  await client.search.upsertChunks({
    namespace: NAMESPACE,
    index: 'docs',
    model: MODEL,
    chunks: [chunk({ id: 'kept' })],
  })
  using replica = new RawClient(addressOf('eu-west-1'))
  await waitFor(
    'the index in eu-west-1',
    async () => (await replica.search.search(searchFor({}))).hits.length === 1,
  )
})

afterAll(() => regions?.stop())

function addressOf(region: string): string {
  const address = regions.state().regions.find(({ name }) => name === region)?.grpc
  if (!address) throw new Error(`there is no ${region}`)
  return address
}

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

async function refusalOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
    return 'taken'
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    const { reason, fields } = error.details
    return [error.status, reason, ...(fields ?? []).map((violation) => violation.field)]
      .filter(Boolean)
      .join(' ')
  }
}

describe.each(['us-east-1', 'eu-west-1'])('at %s, the store is unchanged after', (region) => {
  const unchanged = async (call: () => Promise<unknown>, refusal: string) => {
    const redis = regions.dataRedis('us-east-1')
    const before = await storeContents(redis)
    expect(await refusalOf(call)).toBe(refusal)
    expect(await storeContents(redis)).toEqual(before)
  }

  it.each(cacheCases)('%s', async (_, method, request, refusal) => {
    using client = new ServiceClient(CacheService, addressOf(region))
    await unchanged(() => client.unary(method, request), refusal)
  })

  it.each(searchCases)('%s', async (_, method, request, refusal) => {
    using client = new ServiceClient(SearchService, addressOf(region))
    await unchanged(() => client.unary(method, request), refusal)
  })

  it.each(semanticCases)('%s', async (_, method, request, refusal) => {
    using client = new ServiceClient(SemanticCacheService, addressOf(region))
    await unchanged(() => client.unary(method, request), refusal)
  })

  it.each(streamCases)('%s', async (_, method, request, refusal) => {
    using client = new ServiceClient(ClusterService, addressOf(region))
    await unchanged(() => readAll(client.stream(method, request)), refusal)
  })

  it('a small gzip that unpacks to over 4 MiB', async () => {
    using client = new ServiceClient(CacheService, addressOf(region), {
      'grpc.default_compression_algorithm': 2,
    })
    const zeros = set({ value: new Uint8Array(64 * MIB) })
    await unchanged(() => client.unary(cache.set, zeros), 'RESOURCE_EXHAUSTED')
  })
})

describe('a token', () => {
  it('of another cluster is refused', async () => {
    using client = new RawClient(addressOf('us-east-1'))
    const { receipt } = await client.cache.get({ namespace: NAMESPACE, key: 'kept' })
    const sessionToken = Uint8Array.from(receipt?.sessionToken ?? [])
    sessionToken[5] = (sessionToken[5] ?? 0) ^ 1
    const call = () => client.cache.get({ namespace: NAMESPACE, key: 'kept', options: { sessionToken } })
    expect(await refusalOf(call)).toMatch(/^INVALID_ARGUMENT INVALID_TOKEN/)
  })
})

describe('what is not too large', () => {
  it('is taken up to the very limits, through both regions', async () => {
    for (const region of ['us-east-1', 'eu-west-1']) {
      using client = new RawClient(addressOf(region))
      const key = 'k'.repeat(1024)
      await client.cache.set({ namespace: 'n'.repeat(63), key, value: new Uint8Array(MIB) })
      const session = { consistency: Consistency.PRIMARY }
      const { entry } = await client.cache.get({ namespace: 'n'.repeat(63), key, options: session })
      expect(entry?.value.length).toBe(MIB)
    }
  })
})
