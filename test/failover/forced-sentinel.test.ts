import { RegionState } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { primaryIs, promote, statusOf } from './promoting.ts'
import { type SentinelRegions, settled, startSentinelRegions, Writers } from './sentinel-regions.ts'

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions()
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

it('under Sentinel a region that may not claim, since too many are silent, says what to do, and takes writes when it is promoted by force', async () => {
  const { cluster } = regions
  const old = cluster.primary
  const writers = new Writers(regions, { prefix: 'silent' })
  await waitFor('writes', () => writers.acknowledged.length > 50)
  const [lost = '', left = ''] = regions.others(old)
  // Sentinels stay: a majority of them is what promotes.
  for (const region of [lost, old]) {
    await cluster.stopProcess(region, 'dataRedis', 'SIGKILL')
    await cluster.stopProcess(region, 'sidecar', 'SIGKILL')
  }
  await writers.stop()
  const advice = await waitFor(
    `${left} to be named, and to say why it waits`,
    async () => {
      const status = await statusOf(regions, left)
      return status.advice.includes('silent') && status.advice
    },
    { timeoutMs: 60_000, explain: async () => (await statusOf(regions, left)).advice },
  )
  expect(advice).toContain(`perigee promote ${left} --force`)
  const refused = await promote(regions, left)
  expect(refused, refused.stderr).toMatchObject({ exitCode: 4 })
  expect(refused.stderr).toContain(`perigee promote ${left} --force`)

  const promoted = await promote(regions, left, { force: true })
  expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
  expect((await statusOf(regions, left)).state).toBe(RegionState.SERVING)

  for (const region of [lost, old]) {
    await cluster.startProcess(region, 'dataRedis')
    await cluster.startProcess(region, 'sidecar')
  }
  await primaryIs(regions, left)
  await settled(regions)
  const { violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
}, 180_000)
