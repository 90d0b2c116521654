import { setTimeout as pause } from 'node:timers/promises'
import { LocalCluster, type LocalClusterOptions } from '@perigee/local-cluster'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startSentinelRegions } from '../failover/sentinel-regions.ts'
import { RawClient } from '../support/clients.ts'
import { makeVariant, type Variant } from '../support/sidecar-variant.ts'
import { waitFor } from '../support/wait-for.ts'
import { Load } from './load.ts'

/** Longer than a lease: nothing of the old claim is left by then but what somebody still keeps up. */
const LEASE_OVER_MS = 2500

let newer: Variant

beforeAll(() => {
  newer = makeVariant('newer-library', [
    {
      package: 'sidecar',
      file: 'redis/function-library.ts',
      from: 'export const LIBRARY_VERSION = 1',
      to: 'export const LIBRARY_VERSION = 2',
    },
  ])
})

afterAll(() => newer?.[Symbol.dispose]())

/** The epochs that were claimed, as the change log has them. */
async function claims(cluster: LocalCluster): Promise<string[]> {
  const entries = (await cluster.dataRedis(cluster.primary).command('XRANGE', 'pg:{0}:log', '-', '+')) as [
    string,
    string[],
  ][]
  const claimed = entries.filter(([, fields]) => fields[fields.indexOf('op') + 1] === 'claim')
  return claimed.map(([position]) => position.split('-')[0] ?? '')
}

/** Replaces a sidecar by one of the newer version, as a rolling update does. */
async function replace(cluster: LocalCluster, region: string, name: string): Promise<void> {
  await cluster.stopProcess(region, name)
  await cluster.startProcess(region, name, { main: newer.sidecarMain })
}

/** What an older sidecar does beside a newer one of its region: passes on what it may not do itself. */
async function expectPassesOn(cluster: LocalCluster, region: string, epoch: string): Promise<void> {
  const older = cluster.state().regions.find(({ name }) => name === region)?.sidecars[1]
  using client = new RawClient(older?.grpc ?? '')
  const write = { namespace: 'older', key: region }
  const { version } = await waitFor('the older sidecar to pass a write on', () => client.cache.set(write))
  expect(version.split('-')[0]).toBe(epoch)
  const { entry } = await client.cache.get({ ...write, options: { consistency: 3 } })
  expect(entry?.version).toBe(version)
}

async function upgrade(cluster: LocalCluster): Promise<void> {
  const before = await claims(cluster)
  const load = await Load.start(cluster)
  const { primary } = cluster
  const others = cluster.layout.regions.filter((region) => region !== primary)

  await replace(cluster, primary, 'sidecar')
  const epoch = await waitFor('the newer sidecar to claim', async () => {
    const now = await claims(cluster)
    return now.length > before.length && now.at(-1)
  })
  await load.goesOn()
  await pause(LEASE_OVER_MS)
  expect(await claims(cluster)).toEqual([...before, epoch])
  await expectPassesOn(cluster, primary, epoch)
  for (const region of others) await expectPassesOn(cluster, region, epoch)

  await replace(cluster, primary, 'sidecar-2')
  await load.goesOn()
  for (const region of others) {
    for (const name of ['sidecar', 'sidecar-2']) {
      await replace(cluster, region, name)
      await load.goesOn()
    }
  }
  await load.stop()
  expect(load.wrong.slice(0, 20)).toEqual([])
  expect(load.failures.slice(0, 20)).toEqual([])
  // One each: the older version's, and the newer one's.
  expect(await claims(cluster)).toEqual([...before, epoch])
}

const twoSidecars: LocalClusterOptions = { sidecars: 2, distances: 'none' }

it('sidecars of another library version replace the others one after the other under load: no call fails, one claim each', async () => {
  const regions = ['us-east-1', 'eu-west-1']
  await using cluster = await LocalCluster.start({ ...twoSidecars, regions, sentinel: false })
  await upgrade(cluster)
}, 240_000)

it('so they do where Sentinels choose the primary', async () => {
  await using regions = await startSentinelRegions(twoSidecars)
  await upgrade(regions.cluster)
}, 240_000)
