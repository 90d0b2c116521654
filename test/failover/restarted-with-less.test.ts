import { formatPosition } from '@perigee/core'
import { RegionState } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import {
  clockOf,
  ELECTED_MS,
  type SentinelRegions,
  settled,
  startSentinelRegions,
  Writers,
} from './sentinel-regions.ts'

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

type Fate = Parameters<typeof regions.cluster.restartRedis>[1]

/** What a supervisor's instant restart leaves, and what must happen before so that it leaves less than there was. */
const FATES: [string, (old: string) => Promise<() => Fate>][] = [
  [
    'with the tail of its AOF cut off',
    async (old) => {
      const keepBytes = regions.cluster.aofBytes(old)
      return () => ({ aof: 'cut', keepBytes })
    },
  ],
  [
    'from an older snapshot',
    async (old) => {
      await regions.cluster.snapshotRedis(old)
      return () => ({ aof: 'older' })
    },
  ],
  ['empty', async () => () => ({ aof: 'empty' })],
]

describe.each(FATES)('a primary Redis that is killed and started at once, %s', (fault, prepare) => {
  it('rolls nobody back: the region furthest along takes over, and no acknowledged write that it had is lost', async () => {
    const { cluster } = regions
    const old = await waitFor('one primary', () => cluster.primary)
    const fate = await prepare(old)
    const writers = new Writers(regions, { prefix: fault.replaceAll(' ', '-') })
    await waitFor('writes', () => writers.acknowledged.length > 100)

    const killedMs = performance.now()
    await cluster.restartRedis(old, fate())
    const restartedMs = performance.now()
    const newEpoch = await waitFor(
      'a write in another epoch',
      () => {
        const [first = ''] = epochsOf(writers)
        return epochsOf(writers).find((epoch) => epoch !== first)
      },
      { timeoutMs: ELECTED_MS, explain: () => writers.tried.slice(-5) },
    )
    const first = writers.acknowledged.find(({ version = '' }) => version.startsWith(newEpoch))
    tell(
      `an instant restart ${fault} (${((restartedMs - killedMs) / 1000).toFixed(1)} s of it the restart)`,
      (first?.endedMs ?? 0) - killedMs,
    )
    await writers.stop()
    await settled(regions)

    expect(cluster.primary).not.toBe(old)
    const { lost, violations } = await accountFor(regions, writers.acknowledged)
    expect(violations).toEqual([])
    // What no replica had yet when it died.
    for (const { endedMs } of lost) expect(killedMs - endedMs).toBeLessThan(500)
    const clocks = await waitFor('all to be level', async () => {
      const all = (await Promise.all(regions.regions.map((region) => clockOf(regions, region)))).map(
        formatPosition,
      )
      return new Set(all).size === 1 && all
    })
    expect(clocks[0]).toMatch(/^\d+-\d+$/)
  })
})

it('says REGRESSED and keeps its replicas as they are while no Sentinel helps', async () => {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const [other = ''] = regions.others(old)
  const keepBytes = cluster.aofBytes(old)
  const writers = new Writers(regions, { prefix: 'regressed' })
  await waitFor('writes', () => writers.acknowledged.length > 50)
  await writers.stop()
  const before = await clockOf(regions, other)

  // Sentinels that are paused still count: none answers, so nobody vouches for anyone, and nobody fails over.
  for (const region of regions.regions) await cluster.stopProcess(region, 'sentinel', 'SIGSTOP')
  await cluster.restartRedis(old, { aof: 'cut', keepBytes })
  await waitFor('its lease to be over', async () => (await clockOf(regions, old)).seq < before.seq)
  expect(formatPosition(await clockOf(regions, other))).toBe(formatPosition(before))
  const failed = await regions
    .client(old)
    .cache.set({ namespace: 'failover', key: 'refused' })
    .catch((error) => error.details.reason)
  expect(failed).toBe('NO_PRIMARY')
  for (const region of regions.regions) await cluster.sentinel(region).kill('SIGCONT')

  const seen = new Set<RegionState>()
  await waitFor(
    'another region to take over',
    async () => {
      const { regions: statuses, primaryRegion } = await regions.client(old).cluster.getStatus({})
      seen.add(statuses.find(({ region }) => region === old)?.state ?? RegionState.UNSPECIFIED)
      return primaryRegion !== old
    },
    { timeoutMs: ELECTED_MS },
  )
  expect(seen).toContain(RegionState.REGRESSED)
  await settled(regions)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
})

function epochsOf(writers: Writers): string[] {
  return [...new Set(writers.acknowledged.map(({ version = '' }) => version.split('-')[0] ?? ''))]
}
