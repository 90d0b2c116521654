import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import { type SentinelRegions, settled, startSentinelRegions, Writers } from './sentinel-regions.ts'

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

it('a primary region that is cut off stops to acknowledge before another begins; what it took meanwhile is told to be lost', async () => {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const writers = new Writers(regions, { prefix: 'cut-off' })
  await waitFor('writes', () => writers.acknowledged.length > 50)

  const cutMs = performance.now()
  await cluster.setLinks(old, { mode: 'cut' })
  const elsewhere = await Promise.any(
    regions.others(old).map((region) => writers.firstAfter(cutMs + 100, { region })),
  )
  const onOldSide = writers.acknowledged.filter(({ region, endedMs }) => region === old && endedMs > cutMs)
  const lastOnOldSide = Math.max(...onOldSide.map(({ endedMs }) => endedMs))
  tell('the cut, on the old side: the last one', lastOnOldSide - cutMs)
  tell('the cut, on the other side', elsewhere.endedMs - cutMs)
  expect(onOldSide.length).toBeGreaterThan(0)
  expect(lastOnOldSide).toBeLessThan(elsewhere.endedMs)
  expect(lastOnOldSide - cutMs).toBeLessThan(2500)
  await pause(1000)
  const late = writers.acknowledged.filter(
    ({ region, endedMs }) => region === old && endedMs > elsewhere.endedMs,
  )
  expect(late).toEqual([])

  await cluster.setLinks(old, { mode: 'open' })
  await writers.stop()
  await settled(regions)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
  const taken = new Set(onOldSide.map(({ key }) => key))
  for (const { key, endedMs } of lost) expect(taken.has(key) || cutMs - endedMs < 500).toBe(true)
  expect(lost.length).toBeGreaterThan(0)
})
