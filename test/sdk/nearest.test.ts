import { LocalCluster } from '@perigee/local-cluster'
import { Perigee, type PerigeeEvent, text } from '@perigee/sdk'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { clientIn } from '../support/client-in.ts'
import { percentile } from '../support/percentile.ts'
import { waitFor } from '../support/wait-for.ts'

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start()
})

afterAll(() => cluster?.stop())

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const

it.each([
  ['us-east-1', ['us-east-1', 'eu-west-1', 'ap-southeast-1']],
  ['eu-west-1', ['eu-west-1', 'us-east-1', 'ap-southeast-1']],
  ['ap-southeast-1', ['ap-southeast-1', 'eu-west-1', 'us-east-1']],
])('a service in %s finds its regions by DNS, nearest first', async (region, order) => {
  await using perigee = await clientIn(cluster, region)
  expect(perigee.regions).toEqual(order)
  expect(perigee.endpoints.map((endpoint) => endpoint.region)).toEqual(order)
  expect((await perigee.cluster.status()).region).toBe(region)
})

it.each(REGIONS)(
  'a service in %s that does not know where it is finds out by round trips',
  async (region) => {
    // The machine's own region says nothing here.
    vi.stubEnv('REGION', '')
    vi.stubEnv('AWS_REGION', '')
    onTestFinished(() => void vi.unstubAllEnvs())
    await using perigee = await clientIn(cluster, region, { region: undefined })
    expect(perigee.regions[0]).toBe(region)
  },
)

it('SRV records lead to the port they name', async () => {
  await using perigee = await clientIn(cluster, 'eu-west-1', { port: 1 })
  expect((await perigee.cluster.status()).region).toBe('eu-west-1')
})

it('a session reads its own write in every other region at once', async () => {
  await using here = await clientIn(cluster, 'us-east-1')
  for (const region of ['eu-west-1', 'ap-southeast-1']) {
    await using there = await clientIn(cluster, region)
    await there.cluster.status()
    for (let i = 0; i < 10; i++) {
      const session = here.session()
      await session.cache('answers', { codec: text }).set('a', `${region} ${i}`)
      const elsewhere = there.session(session.token)
      expect(await elsewhere.cache('answers', { codec: text }).get('a')).toBe(`${region} ${i}`)
    }
  }
})

it('without a session a read comes from nearby, and takes no journey', async () => {
  await using perigee = await clientIn(cluster, 'ap-southeast-1')
  const cache = perigee.cache('nearby', { codec: text })
  await cache.set('a', '1')
  await waitFor('the write to arrive', () => cache.get('a'))
  const took: number[] = []
  for (let i = 0; i < 50; i++) {
    const start = performance.now()
    const entry = await cache.getEntry('a')
    took.push(performance.now() - start)
    expect(entry?.receipt).toMatchObject({ region: 'ap-southeast-1', fallback: false })
  }
  // The other regions are 160 ms there and back at least.
  expect(percentile(took, 0.5)).toBeLessThan(80)
})

it('reads go on while the nearest sidecar is killed, from the next nearest, and come home when it is back', async () => {
  const events: PerigeeEvent[] = []
  await using perigee = await clientIn(cluster, 'eu-west-1', { onEvent: (event) => events.push(event) })
  const session = perigee.session()
  const cache = session.cache('killed', { codec: text })
  await cache.set('a', '1')
  const answeredBy: string[] = []
  let reading = true
  const reader = (async () => {
    while (reading) {
      const entry = await cache.getEntry('a')
      expect(entry?.value).toBe('1')
      answeredBy.push(entry?.receipt.region ?? 'nobody')
    }
  })()
  await waitFor('reads from home', () => answeredBy.includes('eu-west-1'))
  await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGKILL')
  await waitFor('reads from the next region', () => answeredBy.at(-1) === 'us-east-1')
  expect(events.some(({ type }) => type === 'failover' || type === 'ejected')).toBe(true)
  await cluster.startProcess('eu-west-1', 'sidecar')
  await waitFor('reads from home again', () => answeredBy.at(-1) === 'eu-west-1', { timeoutMs: 15_000 })
  reading = false
  await reader
  expect([...new Set(answeredBy)].sort()).toEqual(['eu-west-1', 'us-east-1'])
})

it('writes go on while the nearest sidecar is killed, each of them once', async () => {
  onTestFinished(() => cluster.startProcess('eu-west-1', 'sidecar'))
  await using perigee = await clientIn(cluster, 'eu-west-1')
  const cache = perigee.session().cache('killed-writes', { codec: text })
  const versions: string[] = []
  const writes = (async () => {
    for (let i = 0; i < 60; i++) versions.push((await cache.set('a', String(i))).version)
  })()
  await waitFor('some writes', () => versions.length > 10)
  await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGKILL')
  await writes
  const seqs = versions.map((version) => Number(version.split('-')[1]))
  // Nobody else writes meanwhile: a write made twice would leave a gap.
  expect(seqs.map((seq) => seq - (seqs[0] ?? 0))).toEqual(versions.map((_, i) => i))
})

it('a region that is cut off from its clients is done without', async () => {
  await using perigee = await clientIn(cluster, 'eu-west-1')
  const cache = perigee.cache('cut', { codec: text })
  await cache.set('a', '1')
  // The sidecar at home stops without a word: its connections stay open.
  await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGSTOP')
  onTestFinished(() => cluster.stopProcess('eu-west-1', 'sidecar', 'SIGCONT'))
  // Half of it goes to the silent one: longer than one that lives can be silent.
  const entry = await cache.getEntry('a', { timeoutMs: 4_000 })
  expect(entry?.receipt.region).toBe('us-east-1')
  const start = performance.now()
  await cache.get('a', { timeoutMs: 2_000 })
  // Straight to the next region: 70 ms there and back.
  expect(performance.now() - start).toBeLessThan(800)
})

it('a client connects and works while its own region is down', async () => {
  await cluster.stopProcess('ap-southeast-1', 'sidecar', 'SIGKILL')
  onTestFinished(() => cluster.startProcess('ap-southeast-1', 'sidecar'))
  const start = performance.now()
  await using perigee = await clientIn(cluster, 'ap-southeast-1')
  expect(performance.now() - start).toBeLessThan(3_000)
  expect((await perigee.cluster.status()).region).toBe('eu-west-1')
})

it('a client that was given addresses needs no DNS', async () => {
  const addresses = Object.fromEntries(cluster.state().regions.map(({ name, grpc }) => [name, grpc]))
  await using perigee = await Perigee.connect({ addresses, region: 'us-east-1' })
  expect((await perigee.cluster.status()).primaryRegion).toBe('us-east-1')
})
