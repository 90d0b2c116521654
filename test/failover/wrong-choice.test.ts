import { comparePositions } from '@perigee/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import {
  clockOf,
  preferReplica,
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

it('when Sentinel promotes a replica that lags, the one furthest along takes over all the same', async () => {
  const { cluster } = regions
  const old = cluster.primary
  const [furthest = '', laggard = ''] = regions.others(old)
  await preferReplica(regions, laggard)
  // What the old one sends it is held up; its own requests still arrive.
  await cluster.setLink(old, laggard, { mode: 'stall' })
  const writers = new Writers(regions, { prefix: 'wrong-choice' })
  await waitFor('writes that it lacks', async () => {
    const [ahead, behind] = [await clockOf(regions, furthest), await clockOf(regions, laggard)]
    return comparePositions(ahead, behind) > 0 && ahead.seq - behind.seq > 50
  })

  const killedMs = performance.now()
  await cluster.stopProcess(old, 'dataRedis', 'SIGKILL')
  const first = await writers.firstAfter(killedMs, { timeoutMs: 60_000 })
  tell('kill -9 and a wrong choice by Sentinel', first.tookMs)
  await writers.stop()
  await cluster.setLink(old, laggard, { mode: 'open' })
  await cluster.startProcess(old, 'dataRedis')
  await settled(regions)

  expect(cluster.logTail(laggard, 'sidecar')).toContain('claim: regressed')
  expect(cluster.primary).toBe(furthest)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
  for (const { endedMs } of lost) expect(killedMs - endedMs).toBeLessThan(500)
})
