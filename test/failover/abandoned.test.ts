import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import { primaryIs } from './promoting.ts'
import { type SentinelRegions, settled, startSentinelRegions, Writers } from './sentinel-regions.ts'

const SIDECARS = ['sidecar', 'sidecar-2']
const patient = { timeoutMs: 60_000, everyMs: 100 }
let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions({ sidecars: SIDECARS.length })
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

it('a primary whose Redis lives and whose sidecars are all dead gives way to another region, loses nothing, and its gate is closed', async () => {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const writers = new Writers(regions, { prefix: 'abandoned' })
  await waitFor('writes', () => writers.acknowledged.length > 50)
  const killedMs = performance.now()
  await Promise.all(SIDECARS.map((name) => cluster.stopProcess(old, name, 'SIGKILL')))
  const [survivor = ''] = regions.others(old)
  const { tookMs } = await writers.firstAfter(killedMs, { region: survivor })
  tell("all of the primary's sidecars are killed", tookMs)

  const gate = async () => {
    const users = (await cluster.dataRedis(old).command('ACL', 'LIST')) as string[]
    return users.find((user) => user.startsWith('user replica'))?.split(' ')[2]
  }
  await waitFor('the old primary to follow, its gate closed', async () => (await gate()) === 'off', {
    ...patient,
    explain: async () => [await cluster.dataRedis(old).command('ROLE'), await gate()],
  })
  await Promise.all(SIDECARS.map((name) => cluster.startProcess(old, name)))
  await waitFor('another primary', () => cluster.primary !== old, patient)
  await primaryIs(regions, cluster.primary)
  await writers.stop()
  await settled(regions)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
}, 180_000)
