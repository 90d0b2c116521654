import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { PlannedLoad } from './planned-load.ts'
import { primaryIs, promote } from './promoting.ts'
import { type SentinelRegions, settled, startSentinelRegions } from './sentinel-regions.ts'

const ROUNDS = 5
const PAUSE_MS_MAX = 2000
/** What a Sentinel that reads INFO a moment too early costs, on a busy machine. */
const LATE_MS = 1000
let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions({ distances: 'real', sidecars: 2 })
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

/** The primary now, and the next region after it. */
async function primaryAndNext(): Promise<[string, string]> {
  const old = await waitFor('one primary', () => regions.cluster.primary)
  const all = regions.regions
  return [old, all[(all.indexOf(old) + 1) % all.length] ?? '']
}

it('promotions as planned, one after the other under load from all regions, lose nothing, fail no call, and pause writes for under 2 s', async () => {
  const pauses: number[] = []
  for (let round = 1; round <= ROUNDS; round++) {
    const [old, next] = await primaryAndNext()
    const load = await PlannedLoad.start(regions, { prefix: `planned-${round}` })
    const promoted = await promote(regions, next)
    expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
    const before = load.acknowledged.length
    await waitFor('more writes', () => load.acknowledged.length > before + 60, { timeoutMs: 30_000 })
    await load.stop()
    const [any = 0] = load.pauses()
    const [replicated = 0] = load.pauses('replicated')
    process.stdout.write(
      `planned, ${old} to ${next}: writes paused ${Math.round(any)} ms, REPLICATED ones ${Math.round(replicated)} ms\n`,
    )
    pauses.push(any)
    await primaryIs(regions, next)
    await settled(regions)
    const { lost, violations } = await accountFor(regions, load.acknowledged)
    expect({ lost, violations, failures: load.failures }).toEqual({ lost: [], violations: [], failures: [] })
    expect(load.epochs.length).toBe(2)
  }
  pauses.sort((a, b) => a - b)
  expect(pauses[Math.floor(ROUNDS / 2)]).toBeLessThan(PAUSE_MS_MAX)
  expect(pauses.at(-1)).toBeLessThan(PAUSE_MS_MAX + LATE_MS)
}, 240_000)

it('by force, with nothing in its way, it is the same: nothing is lost and no call fails', async () => {
  const [, next] = await primaryAndNext()
  const load = await PlannedLoad.start(regions, { prefix: 'forced' })
  const promoted = await promote(regions, next, { force: true })
  expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
  await load.stop()
  await primaryIs(regions, next)
  const { lost, violations } = await accountFor(regions, load.acknowledged)
  expect({ lost, violations, failures: load.failures }).toEqual({ lost: [], violations: [], failures: [] })
}, 120_000)

it('a region whose Redis is not connected to the primary is refused, nothing is changed, and no call fails', async () => {
  const { cluster } = regions
  const [old, next] = await primaryAndNext()
  const load = await PlannedLoad.start(regions, { prefix: 'lagging', timeoutMs: 8000 })
  // Its Redis alone is left behind: sidecars hear each other all the same.
  await cluster.dataRedis(next).command('REPLICAOF', '127.0.0.1', '1')
  const refused = await promote(regions, next)
  expect(refused, refused.stderr).toMatchObject({ exitCode: 4 })
  expect(refused.stderr).toContain(`perigee promote ${next} --force`)
  expect(cluster.primary).toBe(old)
  const { host, port } = cluster.layout.dataRedis(old)
  await cluster.dataRedis(next).command('REPLICAOF', host, String(port))
  await load.stop()
  await settled(regions)
  const { lost, violations } = await accountFor(regions, load.acknowledged)
  expect({ lost, violations, failures: load.failures }).toEqual({ lost: [], violations: [], failures: [] })
}, 120_000)

it('a region whose Redis is left behind is promoted by force: what it lacks is fetched from the old primary, or told to be lost', async () => {
  const { cluster } = regions
  const [, next] = await primaryAndNext()
  const load = await PlannedLoad.start(regions, { prefix: 'behind', timeoutMs: 8000 })
  await cluster.dataRedis(next).command('REPLICAOF', '127.0.0.1', '1')
  const before = load.acknowledged.length
  await waitFor('writes that it lacks', () => load.acknowledged.length > before + 30)
  const promoted = await promote(regions, next, { force: true })
  expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
  await load.stop()
  await primaryIs(regions, next)
  await settled(regions)
  const { lost, violations } = await accountFor(regions, load.acknowledged)
  process.stdout.write(`by force, left behind: ${lost.length} lost\n${promoted.stderr}`)
  expect(violations).toEqual([])
}, 120_000)

it('of two promotions at once one at the most is carried out, the other says so, and nothing is lost', async () => {
  const [old] = await primaryAndNext()
  const load = await PlannedLoad.start(regions, { prefix: 'two' })
  const ended = await Promise.all(regions.others(old).map((region) => promote(regions, region)))
  const refused = ended.filter(({ exitCode }) => exitCode !== 0)
  expect(refused.length).toBeGreaterThan(0)
  for (const { exitCode, stderr } of refused) {
    expect({ exitCode, stderr }).toMatchObject({
      ...{ exitCode: 4, stderr: expect.stringMatching(/is being promoted|is the primary already/) },
    })
  }
  await settled(regions)
  await load.stop()
  const { lost, violations } = await accountFor(regions, load.acknowledged)
  expect({ lost, violations, failures: load.failures }).toEqual({ lost: [], violations: [], failures: [] })
}, 120_000)
