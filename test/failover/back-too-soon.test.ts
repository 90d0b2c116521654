import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import { type SentinelRegions, settled, startSentinelRegions, Writers } from './sentinel-regions.ts'

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions({ distances: 'real' })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

it.each([2000, 3700])(
  'a primary Redis that comes back with all it had %i ms later, while another may be promoted, is fetched from or followed: nothing is silently lost',
  async (delayMs) => {
    const { cluster } = regions
    const old = await waitFor('one primary', () => cluster.primary)
    const writers = new Writers(regions, { prefix: `back-${delayMs}`, everyMs: 5 })
    await waitFor('writes', () => writers.acknowledged.length > 100)
    const killedMs = performance.now()
    await cluster.restartRedis(old, { aof: 'whole', delayMs })
    const first = await writers.firstAfter(killedMs + 50)
    tell(`kill -9 and a restart ${delayMs} ms later`, first.endedMs - killedMs)
    await writers.stop()
    await settled(regions)
    const { lost, violations } = await accountFor(regions, writers.acknowledged)
    expect(violations).toEqual([])
    // What no replica had yet when it died, if another was claimed before it was back.
    for (const { endedMs } of lost) expect(killedMs - endedMs).toBeLessThan(500)
  },
)
