import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import {
  ELECTED_MS,
  type SentinelRegions,
  settled,
  startSentinelRegions,
  Writers,
} from './sentinel-regions.ts'

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions({ distances: 'real' })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

it('a failover by hand under writes loses none that was acknowledged: the promoted Redis fetches what the old one has more', async () => {
  const { cluster } = regions
  for (let round = 1; round <= 2; round++) {
    const old = cluster.primary
    const writers = new Writers(regions, { prefix: `by-hand-${round}`, everyMs: 5 })
    await waitFor('writes', () => writers.acknowledged.length > 100)

    const askedMs = performance.now()
    await cluster.sentinel(old).command('SENTINEL', 'FAILOVER', 'pg')
    const epochs = () => new Set(writers.acknowledged.map(({ version = '' }) => version.split('-')[0]))
    await waitFor('a write in another epoch', () => epochs().size > 1, {
      timeoutMs: ELECTED_MS,
      explain: () => writers.tried.slice(-5),
    })
    const first = writers.acknowledged.at(-1)
    tell(`SENTINEL FAILOVER by hand, real distances, round ${round}`, (first?.endedMs ?? 0) - askedMs)
    await pause(500)
    await writers.stop()
    await settled(regions)
    const { lost, violations } = await accountFor(regions, writers.acknowledged)
    expect(violations).toEqual([])
    expect(lost).toEqual([])
    expect(cluster.primary).not.toBe(old)
  }
})
