import { afterAll, beforeAll, expect, it } from 'vitest'
import { RawClient } from '../support/clients.ts'
import { bytes } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import {
  NAMESPACE,
  type SentinelRegions,
  settled,
  startSentinelRegions,
  Writers,
} from './sentinel-regions.ts'

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions({ sidecars: 2 })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

/** The claims that the change log tells of. */
async function claims(region: string): Promise<string[]> {
  const entries = (await regions.cluster.dataRedis(region).command('XRANGE', 'pg:{0}:log', '-', '+')) as [
    string,
    string[],
  ][]
  return entries.filter(([, fields]) => fields[1] === 'claim').map(([id]) => id.split('-')[0] ?? '')
}

it('when one of two sidecars of the primary dies the other goes on in the same epoch', async () => {
  const { cluster } = regions
  const old = cluster.primary
  const before = await claims(old)
  const second = cluster.state().regions.find(({ name }) => name === old)?.sidecars[1]
  using client = new RawClient(second?.grpc ?? '')
  await cluster.stopProcess(old, 'sidecar', 'SIGKILL')
  const untilMs = performance.now() + 5000
  for (let i = 0; performance.now() < untilMs; i++) {
    await client.cache.set({ namespace: NAMESPACE, key: `second-${i}`, value: bytes('v') })
  }
  expect(await claims(old)).toEqual(before)
  await cluster.startProcess(old, 'sidecar')
  await settled(regions)
  expect(await claims(old)).toEqual(before)
})

it('after a failover all sidecars of a region hold one claim together', async () => {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const before = await claims(old)
  const writers = new Writers(regions, { prefix: 'several' })
  await waitFor('writes', () => writers.acknowledged.length > 50)
  const killedMs = performance.now()
  await cluster.stopProcess(old, 'dataRedis', 'SIGKILL')
  await writers.firstAfter(killedMs)
  await writers.stop()
  await cluster.startProcess(old, 'dataRedis')
  await settled(regions)

  expect((await claims(cluster.primary)).length).toBe(before.length + 1)
  const { sidecars = [] } = cluster.state().regions.find(({ name }) => name === cluster.primary) ?? {}
  expect(sidecars.length).toBe(2)
  const epochs = new Set<string>()
  for (const { grpc } of sidecars) {
    using client = new RawClient(grpc)
    const { version } = await client.cache.set({ namespace: NAMESPACE, key: 'joined', value: bytes('v') })
    epochs.add(version.split('-')[0] ?? '')
  }
  expect(epochs.size).toBe(1)
  expect((await accountFor(regions, writers.acknowledged)).violations).toEqual([])
})
