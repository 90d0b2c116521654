import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import { LostWrites } from './lost-writes.ts'
import { primaryIs, promote, statusOf } from './promoting.ts'
import { type SentinelRegions, settled, startSentinelRegions, Writers } from './sentinel-regions.ts'

/** What a managed service keeps for itself. */
const NOT_ALLOWED = [
  '-config|get',
  '-config|set',
  '-config|rewrite',
  '-replicaof',
  '-acl|setuser',
  '-client|kill',
]

let regions: SentinelRegions
let lost: LostWrites

beforeAll(async () => {
  regions = await startSentinelRegions({ topology: 'external', sentinel: false, gate: false })
  await Promise.all(regions.regions.map(asManaged))
  lost = new LostWrites(regions)
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

/** Takes from the sidecars what they have no need of where a service manages Redis. */
function asManaged(region: string): Promise<unknown> {
  return regions.cluster.dataRedis(region).command('ACL', 'SETUSER', 'control', ...NOT_ALLOWED)
}

/** Lets a region's Redis follow another one's, or nobody, as a managed service does. */
function follow(region: string, primary?: string): Promise<unknown> {
  const { cluster } = regions
  const { host, port } = cluster.layout.dataRedis(primary ?? region)
  const whom = primary === undefined ? ['NO', 'ONE'] : [host, String(port)]
  return cluster.dataRedis(region).command('REPLICAOF', ...whom)
}

/** The primary now, and the others. */
async function primaryAndOthers(): Promise<[string, string, string]> {
  const primary = await waitFor('one primary', () => regions.cluster.primary)
  const [next = '', third = ''] = regions.others(primary)
  return [primary, next, third]
}

async function accounted(writers: Writers) {
  await writers.stop()
  await settled(regions)
  return accountFor(regions, writers.acknowledged)
}

it('perigee promote says that the service moves the role, and how; nothing is changed', async () => {
  const [old, next] = await primaryAndOthers()
  for (const force of [false, true]) {
    const refused = await promote(regions, next, { force })
    expect(refused, refused.stderr).toMatchObject({ exitCode: 4 })
    expect(refused.stderr).toMatch(/the service that runs Redis moves the role.*REPLICAOF NO ONE/s)
  }
  await primaryIs(regions, old)
})

it('a service that swaps the roles while both live: writes are back, what was acknowledged in between is there or told, and no position is issued twice', async () => {
  const [old, next, third] = await primaryAndOthers()
  const writers = new Writers(regions, { prefix: 'swapped', everyMs: 5 })
  await waitFor('writes', () => writers.acknowledged.length > 100)
  const movedMs = performance.now()
  await follow(next)
  await follow(third, next)
  await follow(old, next)
  await primaryIs(regions, next)
  const oldEpoch = writers.acknowledged[0]?.version?.split('-')[0] ?? ''
  const first = await waitFor('a write in another epoch', () =>
    writers.acknowledged.find(({ version = '' }) => !version.startsWith(oldEpoch)),
  )
  tell('a managed service swapped the roles', first.endedMs - movedMs)
  const { violations } = await accounted(writers)
  expect(violations).toEqual([])
})

it('a promoted one waits for as long as the old one, alive, is heard to be claimed: two never take writes at once', async () => {
  const [old, next, third] = await primaryAndOthers()
  const writers = new Writers(regions, { prefix: 'both', everyMs: 5 })
  await waitFor('writes', () => writers.acknowledged.length > 50)
  await follow(next)
  const advice = async () => (await statusOf(regions, next)).advice
  const explain = { explain: advice }
  await waitFor(
    'the promoted one to say why it waits',
    async () => (await advice()).includes(`${old} is claimed`),
    explain,
  )
  const before = writers.acknowledged.length
  await waitFor('the old one to go on', () => writers.acknowledged.length > before + 300, {
    timeoutMs: 20_000,
  })
  expect(new Set(writers.acknowledged.map(({ version = '' }) => version.split('-')[0])).size).toBe(1)
  await follow(old, next)
  await follow(third, next)
  await primaryIs(regions, next)
  const { violations } = await accounted(writers)
  expect(violations).toEqual([])
})

it('a service that promotes another one when the primary is lost: writes are back, sessions are told of what is gone, and the old one comes back as a replica', async () => {
  const { cluster } = regions
  const [old, next, third] = await primaryAndOthers()
  await lost.writeKept(old)
  await cluster.setLinks(old, { mode: 'cut' })
  await lost.writeLost(old)
  const writers = new Writers(regions, { prefix: 'killed' })
  await cluster.stopProcess(old, 'dataRedis', 'SIGKILL')
  await cluster.setLinks(old, { mode: 'open' })

  const movedMs = performance.now()
  await follow(next)
  await follow(third, next)
  const { tookMs } = await writers.firstAfter(movedMs)
  tell('a managed service promoted another one for a lost primary', tookMs)
  await lost.isTold([next, third])

  // It comes back as a master of its own, as its configuration has it, until the service sees to it.
  await cluster.startProcess(old, 'dataRedis')
  await asManaged(old)
  await follow(old, next)
  await primaryIs(regions, next)
  await lost.isTold(regions.regions)
  const { violations } = await accounted(writers)
  expect(violations).toEqual([])
  await lost.allAgree()
})
