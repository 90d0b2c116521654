import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import { type SentinelRegions, settled, startSentinelRegions, Writers } from './sentinel-regions.ts'

/** Writes in all regions while the primary's is cut off; when the last one was acknowledged there, and the first elsewhere. */
async function cutOff(
  regions: SentinelRegions,
  prefix: string,
  meanwhile: (old: string) => Promise<unknown>,
) {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const writers = new Writers(regions, { prefix })
  await waitFor('writes', () => writers.acknowledged.length > 50)

  const cutMs = performance.now()
  await cluster.setLinks(old, { mode: 'cut' })
  await meanwhile(old)
  const elsewhere = await Promise.any(
    regions.others(old).map((region) => writers.firstAfter(cutMs + 100, { region })),
  )
  await pause(1000)
  const onOldSide = writers.acknowledged.filter(({ region, endedMs }) => region === old && endedMs > cutMs)
  const lastOnOldSideMs = Math.max(...onOldSide.map(({ endedMs }) => endedMs))
  tell(`${prefix}, on the old side: the last one`, lastOnOldSideMs - cutMs)
  tell(`${prefix}, on the other side`, elsewhere.endedMs - cutMs)

  await cluster.setLinks(old, { mode: 'open' })
  await writers.stop()
  await settled(regions)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
  expect(onOldSide.length).toBeGreaterThan(0)
  const taken = new Set(onOldSide.map(({ key }) => key))
  for (const { key, endedMs } of lost) expect(taken.has(key) || cutMs - endedMs < 500).toBe(true)
  return { cutMs, lastOnOldSideMs, firstElsewhereMs: elsewhere.endedMs, lost }
}

it('a primary region that is cut off stops to acknowledge before another begins; what it took meanwhile is told to be lost', async () => {
  await using regions = await startSentinelRegions()
  const outcome = await cutOff(regions, 'cut-off', async () => {})
  expect(outcome.lastOnOldSideMs).toBeLessThan(outcome.firstElsewhereMs)
  expect(outcome.lastOnOldSideMs - outcome.cutMs).toBeLessThan(2500)
  expect(outcome.lost.length).toBeGreaterThan(0)
})

it('another region that is promoted by hand the moment the primary is cut off waits until the lease there is over', async () => {
  // Longer than Sentinels need to promote, so that the old primary goes on while another is named already.
  await using regions = await startSentinelRegions({ sidecarEnv: { PERIGEE_LEASE_MS: '6000' } })
  const outcome = await cutOff(regions, 'cut-off and failed over by hand, with a lease of 6 s', (old) =>
    regions.cluster.sentinel(regions.others(old)[0] ?? '').command('SENTINEL', 'FAILOVER', 'pg'),
  )
  expect(outcome.lastOnOldSideMs - outcome.cutMs).toBeGreaterThan(4000)
  expect(outcome.lastOnOldSideMs).toBeLessThan(outcome.firstElsewhereMs)
})
