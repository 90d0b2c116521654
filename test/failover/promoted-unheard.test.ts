import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { primaryIs, startStaticRegions } from './promoting.ts'
import { type SentinelRegions, settled, Writers } from './sentinel-regions.ts'

const HOLD_US = 3_000_000
let regions: SentinelRegions

beforeAll(async () => {
  regions = await startStaticRegions()
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

/** What a promotion does whose sidecar dies right after its claim, before anybody has heard of that. */
async function promoteUnheard(next: string): Promise<void> {
  const { cluster } = regions
  const redis = cluster.dataRedis(next)
  const clocks = () =>
    Promise.all(regions.regions.map((name) => cluster.dataRedis(name).command('GET', 'pg:{0}:clock')))
  await cluster.stopProcess(next, 'sidecar', 'SIGKILL')
  for (const region of regions.regions) {
    const args = ['1', 'pg:{0}:clock', next, 'unheard', String(HOLD_US), region]
    await cluster.dataRedis(region).command('FCALL_RO', 'pg1_make_way', ...args)
  }
  await waitFor('all to be level', async () => new Set(await clocks()).size === 1)
  await redis.command('REPLICAOF', 'NO', 'ONE')
  const keys = ['clock', 'log', 'forks', 'cluster', 'appointment'].map((name) => `pg:{0}:${name}`)
  const [clock] = await clocks()
  const nowUs = Date.now() * 1000
  const args = [nowUs, nowUs + 2_000_000, String(clock), 'none', 1000, nowUs - 1000, next, 'appoint']
  await redis.command('FCALL', 'pg1_claim', String(keys.length), ...keys, ...args.map(String))
}

it('a promoted region whose sidecar dies before anybody hears of it, and is away for long, fetches what the old primary took meanwhile', async () => {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const [next = ''] = regions.others(old)
  const writers = new Writers(regions, { prefix: 'unheard' })
  await waitFor('writes', () => writers.acknowledged.length > 30)
  await promoteUnheard(next)
  const { version = '' } = await writers.firstAfter(performance.now(), { region: old })
  const before = writers.acknowledged.length
  await waitFor('writes of the old primary', () => writers.acknowledged.length > before + 30)
  await cluster.startProcess(next, 'sidecar')
  await primaryIs(regions, next)
  await settled(regions)
  await writers.stop()
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
  expect(version).not.toBe('')
  // All know of it from the data itself, whatever becomes of what the sidecars remember.
  const appointment = String(await cluster.dataRedis(old).command('GET', 'pg:{0}:appointment'))
  expect(appointment).toMatch(new RegExp(` ${next}$`))
}, 120_000)
