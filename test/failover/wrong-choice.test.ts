import { comparePositions, type Position, parsePosition } from '@perigee/core'
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

async function clockOf(region: string): Promise<Position> {
  const clock = await regions.cluster.dataRedis(region).command('GET', 'pg:{0}:clock')
  return parsePosition(String(clock)) ?? { epoch: 0, seq: 0 }
}

it('when Sentinel promotes a replica that lags, the one furthest along takes over all the same', async () => {
  const { cluster } = regions
  const old = cluster.primary
  const [furthest = '', laggard = ''] = regions.others(old)
  await cluster.dataRedis(laggard).command('CONFIG', 'SET', 'replica-priority', '1')
  await waitFor(
    'all Sentinels to prefer it',
    async () => {
      const rows = regions.regions.map(
        async (region) =>
          (await cluster.sentinel(region).command('SENTINEL', 'REPLICAS', 'pg')) as string[][],
      )
      return (await Promise.all(rows)).every((replicas) =>
        replicas.some((row) => row[row.indexOf('slave-priority') + 1] === '1'),
      )
    },
    { timeoutMs: 30_000, everyMs: 200 },
  )
  // What the old one sends it is held up; its own requests still arrive.
  await cluster.setLink(old, laggard, { mode: 'stall' })
  const writers = new Writers(regions, { prefix: 'wrong-choice' })
  await waitFor('writes that it lacks', async () => {
    const [ahead, behind] = [await clockOf(furthest), await clockOf(laggard)]
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
