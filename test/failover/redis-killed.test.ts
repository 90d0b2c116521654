import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { RegionState, Role } from '@perigee/protocol'
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

/** What every sidecar says: which region is the primary, and each one's role and state. */
async function told() {
  const answers = regions.regions.map(async (region) => {
    const { primaryRegion, regions: seen } = await regions.client(region).cluster.getStatus({})
    return { primaryRegion, seen: Object.fromEntries(seen.map((one) => [one.region, [one.role, one.state]])) }
  })
  return Promise.all(answers)
}

/** Whether every sidecar says that one region is the primary and the others its replicas, but for those given. */
async function everyoneTells(primary: string, but: Record<string, [Role, RegionState]>): Promise<boolean> {
  const expected = regions.regions.map((region) => [
    region,
    but[region] ?? [region === primary ? Role.PRIMARY : Role.REPLICA, RegionState.SERVING],
  ])
  const wanted = { primaryRegion: primary, seen: Object.fromEntries(expected) }
  return (await told()).every((one) => isDeepStrictEqual(one, wanted))
}

it("when the primary's Redis is killed another region takes over: writes are back, sessions go on, and what is lost is told", async () => {
  const { cluster } = regions
  const old = cluster.primary
  const writers = new Writers(regions, { prefix: 'killed' })
  await waitFor('writes', () => writers.acknowledged.length > 50)

  const killedMs = performance.now()
  await cluster.stopProcess(old, 'dataRedis', 'SIGKILL')
  const first = await writers.firstAfter(killedMs)
  tell("kill -9 of the primary's Redis", first.tookMs)
  await pause(500)
  await writers.stop()
  const next = await waitFor('another primary', () => cluster.primary !== old && cluster.primary)
  const down: Record<string, [Role, RegionState]> = { [old]: [Role.UNSPECIFIED, RegionState.UNREACHABLE] }
  await waitFor('all to tell of it', () => everyoneTells(next, down), { explain: told })

  await cluster.startProcess(old, 'dataRedis')
  await settled(regions)
  await waitFor('all to tell of its return', () => everyoneTells(next, {}), { explain: told })
  const { lost, survived, violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
  expect(survived.length).toBeGreaterThan(50)
  // Only what was under way to the replicas when it died.
  for (const { endedMs } of lost) expect(killedMs - endedMs).toBeLessThan(500)
})

it('when the whole primary region is lost another region takes over, and it comes back as a replica', async () => {
  const { cluster } = regions
  const old = await waitFor('one primary', () => cluster.primary)
  const processes = Object.keys(cluster.state().regions.find(({ name }) => name === old)?.pids ?? {})
  const writers = new Writers(regions, { prefix: 'region' })
  await waitFor('writes', () => writers.acknowledged.length > 50)

  const killedMs = performance.now()
  await Promise.all(processes.map((name) => cluster.stopProcess(old, name, 'SIGKILL')))
  const first = await writers.firstAfter(killedMs)
  tell('loss of the whole primary region', first.tookMs)
  await writers.stop()

  await Promise.all(processes.map((name) => cluster.startProcess(old, name)))
  await settled(regions)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
  for (const { endedMs } of lost) expect(killedMs - endedMs).toBeLessThan(500)
})
