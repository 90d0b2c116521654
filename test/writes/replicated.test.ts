import type { MessageInitShape } from '@bufbuild/protobuf'
import { LocalCluster } from '@perigee/local-cluster'
import { Durability, type WriteOptionsSchema } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { perigee } from '../cli/run-perigee.ts'
import { chunk, createIndex, MODEL } from '../support/chunks.ts'
import { clientIn } from '../support/client-in.ts'
import { type CallError, RawClient } from '../support/clients.ts'
import { bytes, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'replicated'
const [US, EU, AP] = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const

let cluster: LocalCluster
/** The primary's two sidecars, and one of a replica's. */
let clients: { first: RawClient; second: RawClient; eu: RawClient }

beforeAll(async () => {
  cluster = await LocalCluster.start({
    regions: [US, EU, AP],
    distances: 'none',
    sentinel: false,
    sidecars: 2,
  })
  const [us, eu] = cluster.state().regions
  const at = (address?: string) => new RawClient(address ?? '')
  clients = { first: at(us?.sidecars[0]?.grpc), second: at(us?.sidecars[1]?.grpc), eu: at(eu?.grpc) }
  for (const client of Object.values(clients)) {
    await waitFor('a first REPLICATED write', () => client.cache.set(write('warm')))
  }
  await createIndex(clients.first, NAMESPACE, { name: 'docs' })
})

afterAll(async () => {
  for (const client of Object.values(clients ?? {})) client.close()
  await cluster?.stop()
})

type Options = Omit<MessageInitShape<typeof WriteOptionsSchema>, '$typeName'>

function write(key: string, value = 'v', options: Options = {}) {
  const place = { namespace: NAMESPACE, key, value: bytes(value) }
  return { ...place, options: { durability: Durability.REPLICATED, ...options } }
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'acknowledged',
    (error: CallError) => error.details.reason ?? error.status,
  )

async function seqAt(region: string): Promise<number> {
  const clock = String(await cluster.dataRedis(region).command('GET', 'pg:{0}:clock'))
  return Number(clock.split('-')[1])
}

const seqOf = (version: string) => Number(version.split('-')[1])

/** Cuts the primary's links to these regions, both ways, until `work` is done. */
async function cutOff<T>(regions: readonly string[], work: () => Promise<T>): Promise<T> {
  const set = async (mode: 'cut' | 'open') => {
    for (const region of regions) {
      await cluster.setLink(US, region, { mode })
      await cluster.setLink(region, US, { mode })
    }
  }
  await set('cut')
  try {
    return await work()
  } finally {
    await set('open')
    await waitFor('replicas to follow again', () => clients.eu.cache.set(write('healed')), {
      timeoutMs: 30_000,
    })
    await waitFor(
      'all replicas to be level',
      async () => {
        const at = await Promise.all([US, EU, AP].map(seqAt))
        return new Set(at).size === 1
      },
      { timeoutMs: 30_000 },
    )
  }
}

it('what is acknowledged as REPLICATED is in another region by then, through whichever sidecar', async () => {
  for (const client of Object.values(clients)) {
    for (let i = 0; i < 20; i++) {
      const { version } = await client.cache.set(write(`k${i}`))
      expect(Math.max(await seqAt(EU), await seqAt(AP))).toBeGreaterThanOrEqual(seqOf(version))
    }
  }
})

it('with every replica cut off each kind of REPLICATED write is OUTCOME_UNKNOWN within its deadline, and PRIMARY goes on', async () => {
  const { cache, search } = clients.first
  const options = { durability: Durability.REPLICATED }
  const place = { namespace: NAMESPACE, options }
  await cutOff([EU, AP], async () => {
    // After the deadline it would be DEADLINE_EXCEEDED.
    const timed = { timeoutMs: 3000 }
    const outcomes = await Promise.all(
      [
        cache.set(write('cut'), timed),
        clients.second.cache.set(write('cut-2'), timed),
        cache.setMany({ ...place, entries: [{ key: 'many' }] }, timed),
        cache.delete({ ...place, keys: ['warm'] }, timed),
        cache.delete({ ...place, keys: ['was never there'] }, timed),
        cache.clearNamespace({ ...place, namespace: 'cleared' }, timed),
        search.createIndex(
          {
            ...place,
            index: {
              name: 'other',
              dimensions: 3,
              metric: 1,
              algorithm: { case: 'flat', value: {} },
              model: MODEL,
            },
          },
          timed,
        ),
        search.upsertChunks({ ...place, index: 'docs', model: MODEL, chunks: [chunk('a')] }, timed),
        search.deleteChunks(
          { ...place, index: 'docs', selection: { case: 'ids', value: { values: ['b'] } } },
          timed,
        ),
      ].map(outcome),
    )
    expect(new Set(outcomes)).toEqual(new Set(['OUTCOME_UNKNOWN']))
    expect(await outcome(cache.set(write('primary', 'v', { durability: Durability.PRIMARY })))).toBe(
      'acknowledged',
    )
  })
})

it('a refusal says for certain that nothing was written, so it is told at once', async () => {
  const precondition = { condition: { case: 'exists' as const, value: false } }
  await cutOff([EU, AP], async () => {
    const startedMs = Date.now()
    const refused = clients.first.cache.set({ ...write('healed'), precondition }, { timeoutMs: 5000 })
    expect(await outcome(refused)).toBe('PRECONDITION_FAILED')
    expect(Date.now() - startedMs).toBeLessThan(2000)
  })
})

it('sent again with its request id an unknown write is done once, and acknowledged when replicas have it', async () => {
  const request = write('again', '1', { requestId: 'again-1' })
  const first = await cutOff([EU, AP], async () => {
    expect(await outcome(clients.first.cache.set(request, { timeoutMs: 1500 }))).toBe('OUTCOME_UNKNOWN')
    expect(await outcome(clients.second.cache.set(request, { timeoutMs: 1500 }))).toBe('OUTCOME_UNKNOWN')
    return (await clients.first.cache.get({ namespace: NAMESPACE, key: 'again' })).entry?.version
  })
  const { version } = await clients.eu.cache.set(request)
  expect(version).toBe(first)
})

it('with one of two replicas alive REPLICATED writes are acknowledged', async () => {
  await cutOff([AP], async () => {
    for (const client of Object.values(clients)) {
      const { version } = await client.cache.set(write('one-left'), { timeoutMs: 3000 })
      expect(await seqAt(EU)).toBeGreaterThanOrEqual(seqOf(version))
    }
  })
})

it('the SDK asks for it by call and by default, and the command by --durability', async () => {
  await using plain = await clientIn(cluster, US)
  await using durable = await clientIn(cluster, US, { durability: 'replicated' })
  const cache = (perigee: typeof plain) => perigee.cache<string>(NAMESPACE)
  const replicated = { durability: 'replicated' as const, timeoutMs: 1200 }
  const env = { PERIGEE_STATE: cluster.stateFile, PERIGEE_REGION: US }
  const command = (durability: string) =>
    perigee(['set', 'k', 'v', '-n', NAMESPACE, '--durability', durability, '--timeout', '1200ms'], { env })
  expect(await command('replicated')).toMatchObject({ exitCode: 0 })
  await cutOff([EU, AP], async () => {
    const asked = await Promise.all(
      [
        cache(plain).set('k', 'v', replicated),
        cache(durable).set('k', 'v', { timeoutMs: 1200 }),
        cache(plain).set('k', 'v', { timeoutMs: 1200 }),
        cache(durable).set('k', 'v', { durability: 'primary', timeoutMs: 1200 }),
      ].map((promise) =>
        promise.then(
          () => 'acknowledged',
          (error) => String(error.reason ?? error.code),
        ),
      ),
    )
    expect(asked.slice(0, 2).every((each) => ['OUTCOME_UNKNOWN', 'DEADLINE_EXCEEDED'].includes(each))).toBe(
      true,
    )
    expect(asked.slice(2)).toEqual(['acknowledged', 'acknowledged'])
    expect((await command('replicated')).stderr).toMatch(/may or may not|within 1200 ms/)
    expect(await command('primary')).toMatchObject({ exitCode: 0 })
  })
})

it('entries of a cut-off region are those of the primary once it is back', async () => {
  await cutOff([EU], () => clients.first.cache.set(write('back', 'new')))
  const { entry } = await clients.eu.cache.get({ namespace: NAMESPACE, key: 'back' })
  expect(text(entry?.value)).toBe('new')
})
