import { type Reply, redisCommand } from '@perigee/embedded-redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CallError } from '../support/clients.ts'
import { bytes } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import {
  clockOf,
  NAMESPACE,
  preferReplica,
  type SentinelRegions,
  settled,
  startSentinelRegions,
  Writers,
} from './sentinel-regions.ts'

const QUEUED = 50

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

/** Sends a command straight to a region's data Redis, and waits long for its reply. */
function send(region: string, ...args: string[]): Promise<Reply> {
  const { cluster } = regions
  const user = { name: 'admin', password: cluster.credentials.admin }
  const address = { ...cluster.layout.dataRedisItself(region), user }
  return redisCommand(address, args, { timeoutMs: 90_000 })
}

const keyOf = (name: string) => `pg:{0}:${name}`

async function claimedEpoch(region: string): Promise<string> {
  const status = (await send(region, 'FCALL_RO', 'pg1_status', '1', keyOf('clock'))) as string[]
  return status[0] ?? ''
}

/** A write as a sidecar would send it, one that no deadline of its own stops. */
function write(region: string, epoch: string, key: string): Promise<Reply> {
  const keys = ['clock', 'log', 'done', 'done-before', `cleared:${NAMESPACE}`, `kv:${NAMESPACE}:${key}`]
  const shared = [epoch, String(Date.now() + 3_600_000), '0', '100000']
  return send(
    region,
    ...['FCALL', 'pg1_set_entries', String(keys.length), ...keys.map(keyOf)],
    ...[...shared, '', key, '', '', ''],
  )
}

function renewal(region: string, epoch: string): Promise<Reply> {
  const leaseEndUs = String((Date.now() + 3_600_000) * 1000)
  return send(region, 'FCALL', 'pg1_renew', '1', keyOf('clock'), epoch, leaseEndUs, '0')
}

it('of the writes that waited in a paused primary Redis, and the renewal before them, none is acknowledged after another region took over', async () => {
  const { cluster } = regions
  const old = cluster.primary
  const epoch = await claimedEpoch(old)
  // Both are such that the Redis would take them.
  expect(await write(old, epoch, 'before')).toBeInstanceOf(Array)
  expect(await renewal(old, '1')).toBeInstanceOf(Error)
  const clock = await send(old, 'GET', keyOf('clock'))
  const writers = new Writers(regions, { prefix: 'paused' })
  await waitFor('writes', () => writers.acknowledged.length > 50)

  const pausedMs = performance.now()
  await cluster.stopProcess(old, 'dataRedis', 'SIGSTOP')
  const renewed = renewal(old, epoch)
  const queued = Array.from({ length: QUEUED }, (_, i) => write(old, epoch, `queued-${i}`))
  const called = Array.from({ length: QUEUED }, (_, i) => setThrough(old, `called-${i}`))
  const first = await writers.firstAfter(pausedMs)
  tell("SIGSTOP of the primary's Redis", first.tookMs)
  await cluster.dataRedis(old).kill('SIGCONT')

  expect(await renewed).toBeInstanceOf(Error)
  for (const reply of await Promise.all(queued)) expect(reply).toBeInstanceOf(Error)
  for (const outcome of await Promise.all(called)) expect(outcome).toMatch(/^[A-Z_]+$/)
  await writers.stop()
  await settled(regions)
  expect(Number(String(clock).split('-')[1])).toBeGreaterThan(0)
  for (let i = 0; i < QUEUED; i++) {
    for (const name of [`queued-${i}`, `called-${i}`]) {
      const { entry } = await regions.client(old).cache.get({ namespace: NAMESPACE, key: name })
      expect(entry, name).toBeUndefined()
    }
  }
  const { violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
})

it('of the writes that waited in a paused sidecar of the primary none is acknowledged in the old epoch after Sentinel was told to fail over', async () => {
  const { cluster } = regions
  const old = cluster.primary
  const epoch = await claimedEpoch(old)
  const writers = new Writers(regions, { prefix: 'stopped' })
  await waitFor('writes', () => writers.acknowledged.length > 50)

  await cluster.stopProcess(old, 'sidecar', 'SIGSTOP')
  const called = Array.from({ length: QUEUED }, (_, i) => setThrough(old, `sleeping-${i}`))
  const askedMs = performance.now()
  await cluster.sentinel(regions.others(old)[0] ?? '').command('SENTINEL', 'FAILOVER', 'pg')
  const first = await writers.firstAfter(askedMs)
  tell("SENTINEL FAILOVER while the primary's sidecar is stopped", first.tookMs)
  await cluster.stopProcess(old, 'sidecar', 'SIGCONT')

  // Woken, it may pass them on to the new primary, which is as good as any other way there.
  for (const outcome of await Promise.all(called)) expect(outcome).not.toBe(epoch)
  await writers.stop()
  await settled(regions)
  const { violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
})

it('a laggard that is promoted by hand while the sidecar of the primary is paused fetches from the Redis itself what it lacks', async () => {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const [other = '', laggard = ''] = regions.others(old)
  await preferReplica(regions, laggard)
  await cluster.setLink(old, laggard, { mode: 'stall' })
  const writers = new Writers(regions, { prefix: 'laggard' })
  await waitFor('writes that it lacks', async () => {
    return (await clockOf(regions, other)).seq - (await clockOf(regions, laggard)).seq > 50
  })
  await cluster.stopProcess(old, 'sidecar', 'SIGSTOP')
  const askedMs = performance.now()
  await cluster.sentinel(other).command('SENTINEL', 'FAILOVER', 'pg')
  await waitFor('it to be promoted', async () => {
    const [role] = (await cluster.dataRedis(laggard).command('ROLE')) as string[]
    return role === 'master'
  })
  await cluster.setLink(old, laggard, { mode: 'open' })
  const first = await writers.firstAfter(askedMs)
  tell("SENTINEL FAILOVER to a laggard while the primary's sidecar is stopped", first.tookMs)
  await cluster.stopProcess(old, 'sidecar', 'SIGCONT')
  await writers.stop()
  await settled(regions)
  expect(cluster.primary).toBe(laggard)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
})

/** A write by way of a region's sidecar: the epoch in which it was acknowledged, or why it wasn't. */
function setThrough(region: string, key: string): Promise<string> {
  return regions
    .client(region)
    .cache.set({ namespace: NAMESPACE, key, value: bytes(key) }, { timeoutMs: 30_000 })
    .then(
      ({ version }) => version.split('-')[0] ?? '',
      (error: CallError) => error.details.reason ?? error.status,
    )
}
