import type { DescMethod } from '@bufbuild/protobuf'
import {
  CacheService,
  ClusterService,
  PeerService,
  SearchService,
  SemanticCacheService,
} from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MultiplexClient } from '../support/multiplex-client.ts'
import { waitFor } from '../support/wait-for.ts'
import { GuardedRegions, POLICY } from './guarded-regions.ts'

type Action = 'read' | 'write' | 'admin'

let regions: GuardedRegions

beforeAll(async () => {
  regions = await GuardedRegions.start()
  const shop = regions.bearer('shop')
  const { us } = regions
  await us.call(CacheService.method.set, { namespace: 'shop', key: 'there', value: Buffer.from('1') }, shop)
  const index = {
    name: 'there',
    dimensions: 2,
    metric: 1,
    model: MODEL,
    algorithm: { case: 'flat', value: {} },
  }
  expect(await us.call(SearchService.method.createIndex, { namespace: 'shop', index }, shop)).toMatchObject({
    status: 'OK',
  })
  await us.call(
    SearchService.method.putAlias,
    { namespace: 'shop', alias: { name: 'alias', indexes: ['there'] } },
    shop,
  )
})
afterAll(() => regions?.[Symbol.asyncDispose]())

const MODEL = { id: 'm', revision: '1' }
const CHUNK = { id: 'c', text: 't', vector: { values: { case: 'floats', value: { values: [1, 0] } } } }
const vector = CHUNK.vector

/** Every method that is about a namespace, what it needs there, and a request about something by that name. */
const METHODS: readonly [Action, DescMethod, (name: string) => object][] = [
  ['read', CacheService.method.get, (key) => ({ key })],
  ['read', CacheService.method.getMany, (key) => ({ keys: [key] })],
  [
    'write',
    CacheService.method.set,
    (key) => ({ key, precondition: { condition: { case: 'exists', value: true } } }),
  ],
  ['write', CacheService.method.setMany, (key) => ({ entries: [{ key }] })],
  ['write', CacheService.method.delete, (key) => ({ keys: [key] })],
  ['read', CacheService.method.listKeys, (prefix) => ({ prefix })],
  ['write', CacheService.method.clearNamespace, () => ({})],
  [
    'admin',
    SearchService.method.createIndex,
    (name) => ({ index: { name, dimensions: 2, metric: 1, model: MODEL } }),
  ],
  ['read', SearchService.method.getIndex, (name) => ({ name })],
  ['read', SearchService.method.listIndexes, () => ({})],
  ['admin', SearchService.method.dropIndex, (name) => ({ name })],
  ['admin', SearchService.method.putAlias, (name) => ({ alias: { name, indexes: ['there'] } })],
  ['admin', SearchService.method.deleteAlias, (name) => ({ name })],
  ['write', SearchService.method.upsertChunks, (index) => ({ index, model: MODEL, chunks: [CHUNK] })],
  [
    'write',
    SearchService.method.deleteChunks,
    (index) => ({ index, selection: { case: 'ids', value: { values: ['c'] } } }),
  ],
  ['read', SearchService.method.getChunks, (index) => ({ index, ids: ['c'] })],
  ['read', SearchService.method.listChunks, (index) => ({ index })],
  ['read', SearchService.method.search, (index) => ({ index, model: MODEL, vector, k: 1 })],
  ['read', SemanticCacheService.method.lookup, (cache) => ({ cache, model: MODEL, vector })],
  ['write', SemanticCacheService.method.store, (cache) => ({ cache, model: MODEL, vector })],
  ['write', SemanticCacheService.method.invalidate, (cache) => ({ cache })],
  ['admin', ClusterService.method.verifyIndex, (index) => ({ index })],
  ['admin', ClusterService.method.rebuildIndex, (index) => ({ index })],
]
/** Those that are about all namespaces at once. */
const OF_THE_CLUSTER: readonly DescMethod[] = [
  ClusterService.method.probeLag,
  ClusterService.method.promote,
  PeerService.method.initialize,
]
const named = (methods: readonly DescMethod[]) => methods.map((method) => [method.name, method] as const)
const OF_PEERS: readonly DescMethod[] = PeerService.methods.filter(({ name }) => name !== 'Initialize')

it('is tried of every method there is', () => {
  const services = [CacheService, SearchService, SemanticCacheService, ClusterService, PeerService]
  const all = services.flatMap(({ methods }): DescMethod[] => methods).map(({ name }) => name)
  const anyones = ['GetStatus', 'WatchStatus']
  const tried = [...METHODS.map(([, method]) => method), ...OF_THE_CLUSTER, ...OF_PEERS]
  expect([...tried.map(({ name }) => name), ...anyones].sort()).toEqual(all.sort())
})

describe.each(METHODS)('the right to %s', (action, method, requestFor) => {
  const ask = (who: string, namespace: string, name: string) =>
    regions.eu.call(method, { namespace, ...requestFor(name) }, regions.bearer(who))

  it(`${method.name} is refused in another namespace, and says the same of what is there and what isn’t`, async () => {
    const outcomes = await Promise.all([
      ask('other', 'shop-2', 'there'),
      ask('other', 'no-such-namespace', 'there'),
      ask('other', 'no-such-namespace', 'nothing'),
      ask('reader', 'shop-2', 'there'),
      ask('reader', 'NOT A NAME', 'nothing'),
      ask('reader', '', 'nothing'),
    ])
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'PERMISSION_DENIED', reason: 'NOT_ALLOWED' })
    }
    expect(new Set(outcomes.map(({ message }) => message.replace(/^"\w+"/, ''))).size).toBe(1)
  })

  it(`${method.name} is refused to who may do everything else, and isn’t to who may do this`, async () => {
    const actions = ['reader', 'writer', 'admin'] as const
    const asked = await Promise.all(
      actions.flatMap((who) => [ask(who, 'shop', 'there'), ask(who, 'shop', 'nothing')]),
    )
    const allowed = ACTION_OF.indexOf(action)
    for (const [i, { status, message }] of asked.entries()) {
      const who = Math.floor(i / 2)
      if (who === allowed) expect(['PERMISSION_DENIED', 'UNAUTHENTICATED', 'INTERNAL']).not.toContain(status)
      else expect({ status, message }).toMatchObject({ status: 'PERMISSION_DENIED' })
      // The same, whether it is there or not.
      if (who !== allowed && i % 2 === 1) expect(message).toBe(asked[i - 1]?.message)
    }
  })
})

const ACTION_OF: readonly Action[] = ['read', 'write', 'admin']

describe('what is about the whole cluster', () => {
  it.each(named(OF_THE_CLUSTER))(
    '%s is refused to who may do everything in some namespaces',
    async (_, method) => {
      const outcome = await regions.us.call(method, { region: 'us-east-1' }, regions.bearer('shop'))
      expect(outcome).toMatchObject({ status: 'PERMISSION_DENIED', reason: 'NOT_ALLOWED' })
    },
  )

  it('is for those who may administer every namespace', async () => {
    const operator = regions.bearer('operator')
    const probe = await regions.us.call(ClusterService.method.probeLag, { samples: 1 }, operator)
    expect(probe).toMatchObject({ status: 'OK' })
    const initialize = await regions.us.call(PeerService.method.initialize, {}, operator)
    expect(['PERMISSION_DENIED', 'UNAUTHENTICATED']).not.toContain(initialize.status)
  })

  it.each(named(OF_PEERS))('%s is for sidecars, and refused to operators too', async (_, method) => {
    const outcome = await regions.us.call(method, {}, regions.bearer('operator'))
    expect(outcome).toMatchObject({ status: 'PERMISSION_DENIED', reason: 'NOT_ALLOWED' })
  })
})

describe('calls of a stream', () => {
  const CALLS: readonly [string, Action, (name: string) => object][] = [
    ['get', 'read', (key) => ({ key })],
    ['getMany', 'read', (key) => ({ keys: [key] })],
    ['set', 'write', (key) => ({ key })],
    ['setMany', 'write', (key) => ({ entries: [{ key }] })],
    ['delete', 'write', (key) => ({ keys: [key] })],
    ['search', 'read', (index) => ({ index, model: MODEL, vector, k: 1 })],
    ['getChunks', 'read', (index) => ({ index, ids: ['c'] })],
    ['lookup', 'read', (cache) => ({ cache, model: MODEL, vector })],
  ]

  it('are each let in or refused, also several in a frame', async () => {
    using stream = new MultiplexClient(regions.grpc(0), {}, regions.token('reader'))
    const asked = CALLS.flatMap(([name, action, requestFor]) =>
      [
        { namespace: 'shop', name: 'there', allowed: action === 'read' },
        { namespace: 'shop-2', name: 'there', allowed: false },
        { namespace: 'shop-2', name: 'nothing', allowed: false },
      ].map(({ namespace, name: thing, allowed }) => ({
        allowed,
        call: { request: { case: name, value: { namespace, ...requestFor(thing) } } } as never,
      })),
    )
    const replies = await Promise.all(stream.send({ calls: asked.map(({ call }) => call) }))
    const refusals = new Set<string>()
    for (const [i, { result }] of replies.entries()) {
      const told = result.case === 'error' ? result.value : undefined
      expect(told?.code === 7, JSON.stringify([i, told?.message])).toBe(!asked[i]?.allowed)
      if (told?.code === 7) refusals.add(told.message)
    }
    // One for reads and one for writes.
    expect(refusals.size).toBe(2)
  })

  it('write nothing in a namespace that is another’s, not even beside what is one’s own', async () => {
    using stream = new MultiplexClient(regions.grpc(0), {}, regions.token('other'))
    const set = (namespace: string) => ({
      request: { case: 'set', value: { namespace, key: 'mixed', value: Buffer.from('x') } },
    })
    const calls = ['other', 'shop-2', 'other', 'shop-2'].map(set) as never[]
    const replies = await Promise.all(stream.send({ calls }))
    expect(replies.map(({ result }) => result.case)).toEqual(['set', 'error', 'set', 'error'])
    const read = (namespace: string) =>
      regions.us.call(CacheService.method.get, { namespace, key: 'mixed' }, regions.bearer('operator'))
    expect(await read('other')).toMatchObject({ answer: { entry: { key: 'mixed' } } })
    expect((await read('shop-2')).answer).not.toHaveProperty('entry')
  })
})

it('follows the policy file as it changes, on what is open too, and stays as it was while that is broken', async () => {
  using stream = new MultiplexClient(regions.grpc(0), {}, regions.token('reader'))
  const get = () =>
    stream.call({ request: { case: 'get', value: { namespace: 'shop', key: 'there' } } } as never).then(
      () => 'OK',
      (error) => error.status as string,
    )
  expect(await get()).toBe('OK')
  regions.files.writePolicy({ ...POLICY.principals, reader: [] })
  await waitFor('the right to be gone', async () => (await get()) === 'PERMISSION_DENIED')
  regions.files.writePolicy({ ...POLICY.principals, reader: [{ namespaces: ['shop'], actions: ['delete'] }] })
  await new Promise((resolve) => setTimeout(resolve, 2500))
  expect(await get()).toBe('PERMISSION_DENIED')
  regions.files.writePolicy(POLICY.principals)
  await waitFor('the right to be back', async () => (await get()) === 'OK')
})
