import { create, toBinary } from '@bufbuild/protobuf'
import { LocalCluster } from '@perigee/local-cluster'
import {
  CacheService,
  ClusterService,
  type GetStatusResponse,
  type ListKeysResponse,
  PeerService,
  type Receipt,
  SearchService,
  SetRequestSchema,
} from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MultiplexClient } from '../support/multiplex-client.ts'
import { waitFor } from '../support/wait-for.ts'
import { AnyCaller, type Outcome } from './any-caller.ts'
import { GuardedRegions } from './guarded-regions.ts'

let regions: GuardedRegions

beforeAll(async () => {
  regions = await GuardedRegions.start()
  for (const namespace of ['shop', 'shop-2', 'other']) await createIndex(namespace)
  await waitFor('the indexes in both regions', async () => {
    const names = await Promise.all([regions.us, regions.eu].map((at) => indexesOf(at, 'operator')))
    return names.every((seen) => seen.length === 6)
  })
})
afterAll(() => regions?.[Symbol.asyncDispose]())

async function createIndex(namespace: string): Promise<void> {
  const index = {
    ...{ name: `index-of-${namespace}`, dimensions: 2, metric: 1 },
    ...{ model: { id: 'm', revision: '1' }, algorithm: { case: 'flat', value: {} } },
  }
  const create = SearchService.method.createIndex
  const outcome = await regions.us.call(create, { namespace, index }, regions.bearer('operator'))
  expect(outcome.status).toBe('OK')
}

/** The namespaces of the copies of indexes that somebody is told of, one for each copy. */
async function indexesOf(at: AnyCaller, who: string): Promise<string[]> {
  const { answer } = await at.call(ClusterService.method.getStatus, {}, regions.bearer(who))
  return namespacesOf(answer as GetStatusResponse)
}

function namespacesOf({ regions: told }: GetStatusResponse): string[] {
  return told.flatMap(({ indexes }) => indexes.map(({ namespace }) => namespace)).sort()
}

describe('the regions’ status', () => {
  it('tells of indexes in namespaces that one has a right in, and of no others', async () => {
    expect(await indexesOf(regions.eu, 'shop')).toEqual(['shop', 'shop', 'shop-2', 'shop-2'])
    expect(await indexesOf(regions.eu, 'reader')).toEqual(['shop', 'shop'])
    expect(await indexesOf(regions.us, 'other')).toEqual(['other', 'other', 'shop', 'shop'])
  })

  it('does so when watched, and by HTTP', async () => {
    const watched = await regions.us.call(ClusterService.method.watchStatus, {}, regions.bearer('reader'))
    expect(namespacesOf((watched.answer as unknown as { status: GetStatusResponse }).status)).toEqual([
      'shop',
      'shop',
    ])
    const response = await fetch(`http://${regions.http(1)}/status.json`, {
      headers: { authorization: regions.bearer('reader') },
    })
    const text = await response.text()
    expect(text).toContain('index-of-shop"')
    expect(text).not.toMatch(/shop-2|other/)
  })
})

describe('a list', () => {
  it('holds what is of its namespace, of indexes and of keys, though another’s begins alike', async () => {
    const shop = regions.bearer('shop')
    for (const [namespace, key] of [
      ['shop', 'a'],
      ['shop-2', 'b'],
      ['shop-2', 'a:c'],
    ]) {
      await regions.us.call(CacheService.method.set, { namespace, key, value: Buffer.from('1') }, shop)
    }
    const keys = await regions.us.call(
      CacheService.method.listKeys,
      { namespace: 'shop' },
      regions.bearer('reader'),
    )
    expect((keys.answer as ListKeysResponse).keys).toEqual(['a'])
    const indexes = await regions.us.call(
      SearchService.method.listIndexes,
      { namespace: 'shop' },
      regions.bearer('reader'),
    )
    expect(indexes.answer).toMatchObject({ indexes: [{ name: 'index-of-shop' }] })
  })

  it('can’t be gone on with in another namespace', async () => {
    const shop = regions.bearer('shop')
    for (let i = 0; i < 5; i++) {
      await regions.us.call(CacheService.method.set, { namespace: 'shop-2', key: `page-${i}` }, shop)
    }
    const list = (namespace: string, pageToken: string, who: string) =>
      regions.us.call(
        CacheService.method.listKeys,
        { namespace, pageSize: 1, pageToken },
        regions.bearer(who),
      )
    const { nextPageToken } = (await list('shop-2', '', 'shop')).answer as ListKeysResponse
    expect(nextPageToken).not.toBe('')
    expect(await list('shop', nextPageToken, 'reader')).toMatchObject({ status: 'INVALID_ARGUMENT' })
  })

  it('has page tokens that nobody can make, and that tell nothing of what others store', async () => {
    const shop = regions.bearer('shop')
    const listed = async (pageToken: string) => {
      const asked = { namespace: 'shop-2', pageSize: 1, pageToken }
      const outcome = await regions.us.call(CacheService.method.listKeys, asked, shop)
      return { ...outcome, answer: outcome.answer as ListKeysResponse | undefined }
    }
    const bytesOf = (token: string) => Buffer.from(token, 'base64url')
    const before = (await listed('')).answer?.nextPageToken ?? ''
    const entries = Array.from({ length: 1000 }, (_, i) => ({ key: `much-${i}`, value: Buffer.from('1') }))
    await regions.us.call(
      CacheService.method.setMany,
      { namespace: 'other', entries },
      regions.bearer('other'),
    )
    const after = (await listed('')).answer?.nextPageToken ?? ''
    for (const token of [before, after]) expect(bytesOf(token).toString('latin1')).not.toMatch(/cursor|shop/)

    const damaged = bytesOf(after)
    damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1
    expect(await listed(damaged.toString('base64url'))).toMatchObject({ status: 'INVALID_ARGUMENT' })
    // As an earlier version had them: it could name keys of another namespace, and as many as it liked.
    const left = JSON.stringify({ cursor: '', left: ['../other:much-1', 'much-1'] })
    const made = Buffer.from(JSON.stringify(['ListKeys', 'shop-2', '', left])).toString('base64url')
    const keys = (await listed(made)).answer?.keys ?? []
    expect(keys.filter((key) => key.includes('much'))).toEqual([])
  })
})

describe('a request id', () => {
  const set = (who: string, value: string, at = regions.us) =>
    at.call(
      CacheService.method.set,
      { namespace: 'shop', key: `of-${who}`, value: Buffer.from(value), options: { requestId: 'same' } },
      regions.bearer(who),
    )
  const versionOf = ({ answer }: Outcome) => (answer as unknown as { version: string }).version

  it('is its principal’s own: another’s with the same one is another write', async () => {
    const [first, second] = [await set('shop', '1'), await set('other', '1')]
    expect([first.status, second.status]).toEqual(['OK', 'OK'])
    expect(versionOf(second)).not.toBe(versionOf(first))
    // Its own is answered again, by whatever region and way it comes, and kept to its own body.
    expect(versionOf(await set('shop', '1', regions.eu))).toBe(versionOf(first))
    expect(versionOf(await set('other', '1', regions.eu))).toBe(versionOf(second))
    using stream = new MultiplexClient(regions.grpc(0), {}, regions.token('other'))
    const value = {
      namespace: 'shop',
      key: 'of-other',
      value: Buffer.from('1'),
      options: { requestId: 'same' },
    }
    const again = await stream.call({ request: { case: 'set', value } } as never)
    expect((again as unknown as { version: string }).version).toBe(versionOf(second))
    expect(await set('shop', '2')).toMatchObject({ status: 'INVALID_ARGUMENT' })
    expect(await set('other', '2')).toMatchObject({ status: 'INVALID_ARGUMENT' })
  })

  it('can’t be made up to be another principal’s', async () => {
    const { us } = regions
    const ask = (who: string, requestId: string) =>
      us.call(
        CacheService.method.set,
        { namespace: 'shop', key: 'k', options: { requestId } },
        regions.bearer(who),
      )
    const mine = await ask('shop', 'x')
    for (const requestId of ['@shop:x', 'shop:x', 'shop:shop:x', '@shop:shop:x']) {
      expect(versionOf(await ask('other', requestId))).not.toBe(versionOf(mine))
    }
  })
})

describe('another cluster', () => {
  let cluster: LocalCluster
  let token: Uint8Array

  beforeAll(async () => {
    cluster = await LocalCluster.start({ regions: ['us-east-1'], sentinel: false })
    using elsewhere = new AnyCaller(cluster.state().regions[0]?.grpc ?? '')
    const receipt = await waitFor('a write elsewhere', async () => {
      const { answer } = await elsewhere.call(
        CacheService.method.set,
        { namespace: 'n', key: 'k' },
        undefined,
      )
      return (answer as { receipt?: Receipt } | undefined)?.receipt
    })
    token = receipt.sessionToken
  })
  afterAll(() => cluster?.stop())

  const REFUSED = { status: 'INVALID_ARGUMENT', reason: 'INVALID_TOKEN' }

  it('has session tokens that are refused here, by reads and writes in every region and way', async () => {
    const shop = regions.bearer('shop')
    const model = { id: 'm', revision: '1' }
    const vector = { values: { case: 'floats', value: { values: [1, 0] } } }
    const options = { sessionToken: token }
    for (const at of [regions.us, regions.eu]) {
      const asked = [
        at.call(CacheService.method.get, { namespace: 'shop', key: 'a', options }, shop),
        at.call(
          CacheService.method.get,
          { namespace: 'shop', key: 'a', options: { ...options, consistency: 1 } },
          shop,
        ),
        at.call(
          CacheService.method.get,
          { namespace: 'shop', key: 'a', options: { ...options, consistency: 3 } },
          shop,
        ),
        at.call(CacheService.method.set, { namespace: 'shop', key: 'a', options }, shop),
        at.call(
          SearchService.method.search,
          { namespace: 'shop', index: 'index-of-shop', model, vector, k: 1, options },
          shop,
        ),
      ]
      for (const outcome of await Promise.all(asked)) expect(outcome).toMatchObject(REFUSED)
    }
    for (const place of [0, 1] as const) {
      using stream = new MultiplexClient(regions.grpc(place), {}, regions.token('shop'))
      for (const name of ['get', 'set']) {
        const call = stream.call(
          { request: { case: name, value: { namespace: 'shop', key: 'a' } } } as never,
          token,
        )
        await expect(call).rejects.toMatchObject({
          status: REFUSED.status,
          details: { reason: REFUSED.reason },
        })
      }
    }
  })
})

describe('a forwarded call', () => {
  const request = toBinary(
    SetRequestSchema,
    create(SetRequestSchema, { namespace: 'shop', key: 'forwarded' }),
  )
  const forward = (at: AnyCaller, method: string, principal = 'shop') =>
    at.call(
      PeerService.method.forward,
      { method, request, fromRegion: 'eu-west-1', principal },
      regions.peerBearer,
    )

  it('goes one hop: a sidecar that isn’t the primary’s refuses it, and asks nobody', async () => {
    const startedMs = performance.now()
    const write = await forward(regions.eu, 'perigee.v1.CacheService/Set')
    expect(write).toMatchObject({ status: 'FAILED_PRECONDITION', reason: 'NOT_PRIMARY' })
    const read = await forward(regions.eu, 'perigee.v1.CacheService/Get')
    expect(read).toMatchObject({ status: 'FAILED_PRECONDITION', reason: 'NOT_PRIMARY' })
    expect(performance.now() - startedMs).toBeLessThan(2000)
    const there = await regions.us.call(
      CacheService.method.get,
      { namespace: 'shop', key: 'forwarded' },
      regions.bearer('operator'),
    )
    expect(there.answer).not.toHaveProperty('entry')
  })

  it('is of a public call alone: none of those between sidecars, nor of the cluster, can be wrapped in it', async () => {
    for (const method of ['perigee.internal.v1.PeerService/Forward', 'perigee.v1.ClusterService/Promote']) {
      expect(await forward(regions.us, method)).toMatchObject({ status: 'UNIMPLEMENTED' })
    }
    expect(await forward(regions.us, 'perigee.v1.CacheService/Set')).toMatchObject({ status: 'OK' })
  })
})
