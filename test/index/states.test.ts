import { create } from '@bufbuild/protobuf'
import { LocalCluster } from '@perigee/local-cluster'
import {
  Health,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  RegionalIndex_State,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@perigee/protocol'
import { expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { RawClient } from '../support/clients.ts'
import { ServiceClient } from '../support/service-client.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'states'
const INDEX = 'docs'
const REGION = 'us-east-1'
const { SERVING, NOT_SERVING } = ServingStatus

async function health(address: string): Promise<{ cache: ServingStatus; search: ServingStatus }> {
  using client = new ServiceClient(Health, address)
  const check = async (service: string) => {
    const request = create(HealthCheckRequestSchema, { service })
    return ((await client.unary(Health.method.check, request, 1_000)) as HealthCheckResponse).status
  }
  const [cache, search] = await Promise.all(
    ['perigee.v1.CacheService', 'perigee.v1.SearchService'].map(check),
  )
  return { cache: cache ?? SERVING, search: search ?? SERVING }
}

function state(client: RawClient) {
  return client.search
    .getIndex({ namespace: NAMESPACE, name: INDEX })
    .then(({ regions }) => regions.find(({ region }) => region === REGION))
}

const searchFor = (text: string) => ({
  ...{ namespace: NAMESPACE, index: INDEX, model: MODEL, k: 3 },
  vector: vectorMessage(vectorOf(text)),
})

async function start(sidecars: number) {
  const cluster = await LocalCluster.start({ regions: [REGION], sidecars, sentinel: false })
  const [region] = cluster.state().regions
  const clients = (region?.sidecars ?? []).map(({ grpc }) => new RawClient(grpc))
  const upsert = (ids: readonly string[]) => {
    const chunks = ids.map((id) => chunk(id))
    const request = { namespace: NAMESPACE, index: INDEX, model: MODEL, chunks }
    return waitFor('a write', () => (clients[0] as RawClient).search.upsertChunks(request))
  }
  return {
    ...{ cluster, clients, upsert, grpc: region?.grpc ?? '' },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close()
      await cluster.stop()
    },
  }
}

it('search serves while there is no index or one answers; an index that is lost is BUILDING, says how far it is, and serves again', async () => {
  await using one = await start(1)
  const [client] = one.clients as [RawClient]
  const { cluster, grpc } = one
  await waitFor('both to serve', async () => {
    const { cache, search } = await health(grpc)
    return cache === SERVING && search === SERVING
  })
  await cluster.stopProcess(REGION, 'indexRedis', 'SIGKILL')
  await cluster.startProcess(REGION, 'indexRedis')
  await waitFor('an index', () => createIndex(client, NAMESPACE, { name: INDEX }).then(() => true))
  for (let i = 0; i < 10; i++) await one.upsert(Array.from({ length: 500 }, (_, j) => `chunk-${i * 500 + j}`))
  await waitFor('it to serve', async () => {
    const index = await state(client)
    return index?.state === RegionalIndex_State.SERVING && index.progress === 1 && index.pending === 0n
  })
  expect(await health(grpc)).toEqual({ cache: SERVING, search: SERVING })

  await cluster.stopProcess(REGION, 'indexRedis', 'SIGKILL')
  const stoppedAt = performance.now()
  await waitFor('search not to serve', async () => (await health(grpc)).search === NOT_SERVING, {
    timeoutMs: 2_000,
  })
  expect(performance.now() - stoppedAt).toBeLessThan(2_500)
  expect(await health(grpc)).toEqual({ cache: SERVING, search: NOT_SERVING })
  await cluster.startProcess(REGION, 'indexRedis')
  await cluster.indexRedis(REGION).command('FLUSHALL')
  const parts = new Set<number>()
  await waitFor(
    'it to be filled again',
    async () => {
      const index = await state(client)
      if (index?.state === RegionalIndex_State.BUILDING) parts.add(index.progress)
      const partly = [...parts].some((part) => part > 0 && part < 1)
      return partly && index?.state === RegionalIndex_State.SERVING
    },
    { timeoutMs: 30_000, everyMs: 1, explain: () => [...parts] },
  )
  await waitFor('search to serve', async () => (await health(grpc)).search === SERVING)
  expect(await state(client)).toMatchObject({ chunks: 5_000n, pending: 0n, progress: 1 })
})

it('of two sidecars of a region one leads, and the other takes over within three seconds when it is killed', async () => {
  await using two = await start(2)
  const [first, second] = two.clients as [RawClient, RawClient]
  await waitFor('an index', () => createIndex(first, NAMESPACE, { name: INDEX }).then(() => true))
  await two.upsert(['one'])
  for (const client of [first, second]) {
    await waitFor('the chunk', async () => (await client.search.search(searchFor('one'))).hits.length === 1)
  }
  const leader = async () =>
    String(await two.cluster.indexRedis(REGION).command('HGET', 'pg:{0}:checkpoint', 'by'))
  for (const [survivor, killed] of [
    [second, 'sidecar'],
    [first, 'sidecar-2'],
  ] as const) {
    const before = await leader()
    await two.cluster.stopProcess(REGION, killed, 'SIGKILL')
    const id = `after-${killed}`
    await waitFor('a write', () =>
      survivor.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks: [chunk(id)] }),
    )
    const writtenAt = performance.now()
    await waitFor('it to be found', async () => {
      const { hits } = await survivor.search.search(searchFor(id))
      return hits.some((hit) => hit.chunk?.id === id)
    })
    expect(performance.now() - writtenAt).toBeLessThan(3_000)
    await two.cluster.startProcess(REGION, killed)
    await waitFor('it to answer again', async () => {
      const other = survivor === first ? second : first
      return (await other.search.search(searchFor(id))).hits.length > 0
    })
    expect((await leader()).length).toBe(before.length)
  }
})
