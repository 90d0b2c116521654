import { setTimeout as pause } from 'node:timers/promises'
import { parsePosition } from '@perigee/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import {
  type SentinelRegions,
  settled,
  startSentinelRegions,
  type TriedWrite,
  Writers,
} from './sentinel-regions.ts'

/** Ten times this, and Sentinel takes a replica that was disconnected for that long for no good one. */
const DOWN_AFTER_MS = 1000

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function downAfter(): Promise<string[]> {
  return Promise.all(
    regions.regions.map(async (region) => {
      const row = (await regions.cluster.sentinel(region).command('SENTINEL', 'MASTER', 'pg')) as string[]
      return row[row.indexOf('down-after-milliseconds') + 1] ?? ''
    }),
  )
}

/** The region that the write was acknowledged by. */
function claimantOf({ version = '' }: TriedWrite): string | undefined {
  return regions.regions[(parsePosition(version)?.epoch ?? 0) % 1000]
}

it('a primary that came back with less, behind a gate that was closed for long, still gives way; Sentinels are left as they were', async () => {
  const { cluster } = regions
  const old = cluster.primary
  const keepBytes = cluster.aofBytes(old)
  const writers = new Writers(regions, { prefix: 'disconnected' })
  await waitFor('writes', () => writers.acknowledged.length > 50)
  await writers.stop()

  // All of them: another region would have a primary without sidecars failed over.
  const sidecars = regions.regions.map((region) => cluster.stopProcess(region, 'sidecar', 'SIGKILL'))
  await Promise.all(sidecars)
  await cluster.restartRedis(old, { aof: 'cut', keepBytes })
  // Only now: a restart that takes a second shall not be one that Sentinel takes for a death.
  for (const region of regions.regions) {
    const set = ['SENTINEL', 'SET', 'pg', 'down-after-milliseconds', String(DOWN_AFTER_MS)]
    await cluster.sentinel(region).command(...set)
  }
  const [replica = ''] = regions.others(old)
  await waitFor(
    'its replicas to have been away for long',
    async () => {
      const info = String(await cluster.dataRedis(replica).command('INFO', 'replication'))
      return Number(/master_link_down_since_seconds:(\d+)/.exec(info)?.[1] ?? 0) > (12 * DOWN_AFTER_MS) / 1000
    },
    { timeoutMs: 40_000, everyMs: 500 },
  )
  // As long as Sentinel's view of its replicas may be old.
  await pause(11_000)

  const startedMs = performance.now()
  await Promise.all(regions.regions.map((region) => cluster.startProcess(region, 'sidecar')))
  const again = new Writers(regions, { prefix: 'again' })
  const first = await again.firstAfter(startedMs, { timeoutMs: 60_000 })
  tell('a start behind a gate that was closed for long', first.tookMs)
  await again.stop()
  await settled(regions)
  expect(claimantOf(first)).not.toBe(old)
  const { lost, violations } = await accountFor(regions, [...writers.acknowledged, ...again.acknowledged])
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
  expect(cluster.logTail(old, 'sidecar')).toContain('no-good-replica')
  await waitFor(
    'Sentinels as they were',
    async () => (await downAfter()).every((ms) => ms === String(DOWN_AFTER_MS)),
    {
      timeoutMs: 20_000,
      explain: downAfter,
    },
  )
})
