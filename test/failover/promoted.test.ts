import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startPerigee } from '../cli/run-perigee.ts'
import { bytes } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { tell } from './figures.ts'
import { clockOf, primaryIs, promote, startStaticRegions } from './promoting.ts'
import { type SentinelRegions, settled, Writers } from './sentinel-regions.ts'

const SIDECARS = ['sidecar', 'sidecar-2']
let regions: SentinelRegions

beforeAll(async () => {
  regions = await startStaticRegions({ sidecars: SIDECARS.length })
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

/** The primary now, and the next region after it. */
async function primaryAndNext(): Promise<[string, string]> {
  const old = await waitFor('one primary', () => regions.cluster.primary)
  const all = regions.regions
  return [old, all[(all.indexOf(old) + 1) % all.length] ?? '']
}

it('promoting another region under writes, with several sidecars a region, loses none', async () => {
  const [old, next] = await primaryAndNext()
  const writers = new Writers(regions, { prefix: 'planned', everyMs: 5 })
  await waitFor('writes', () => writers.acknowledged.length > 100)
  const askedMs = performance.now()
  const promoted = await promote(regions, next)
  expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
  expect(promoted.stderr).toContain(`${old} follows`)
  const epochs = () => [
    ...new Set(writers.acknowledged.map(({ version = '' }) => version.split('-')[0] ?? '')),
  ]
  await waitFor('a write in another epoch', () => epochs().length > 1)
  const first = writers.acknowledged.find(({ version = '' }) => !version.startsWith(epochs()[0] ?? ''))
  tell('perigee promote without Sentinel', (first?.endedMs ?? 0) - askedMs)
  await writers.stop()
  await primaryIs(regions, next)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
})

it.each(['made way', 'claiming in', 'follows'])(
  "a promotion whose sidecar is killed after the step '%s' is finished by the same command",
  async (step) => {
    const { cluster } = regions
    const [, next] = await primaryAndNext()
    const writers = new Writers(regions, { prefix: `killed-${step.replace(' ', '-')}` })
    await waitFor('writes', () => writers.acknowledged.length > 30)
    const running = startPerigee(['promote', next, '--yes', '--state', cluster.stateFile])
    const lines = createInterface({ input: running.stderr })
    for await (const line of lines) if (line.includes(step)) break
    // Either may be the one that does it.
    await Promise.all(SIDECARS.map((name) => cluster.stopProcess(next, name, 'SIGKILL')))
    running.kill('SIGKILL')
    await Promise.all(SIDECARS.map((name) => cluster.startProcess(next, name)))

    const again = await promote(regions, next)
    expect(again, again.stderr).toMatchObject({ exitCode: 0 })
    await primaryIs(regions, next)
    await writers.stop()
    await settled(regions)
    const { lost, violations } = await accountFor(regions, writers.acknowledged)
    expect({ lost, violations }).toEqual({ lost: [], violations: [] })
  },
)

it('a promotion that is left half done, and not run again, is undone: the old primary takes writes, and the other follows it', async () => {
  const { cluster } = regions
  const [old, next] = await primaryAndNext()
  // What one does that dies right before the claim.
  const makeWay = (region: string) => {
    const args = ['1', 'pg:{0}:clock', next, 'left', '3000000', region] as const
    return cluster.dataRedis(region).command('FCALL_RO', 'pg1_make_way', ...args)
  }
  for (const region of regions.regions) await makeWay(region)
  await cluster.dataRedis(next).command('REPLICAOF', 'NO', 'ONE')
  const refused = await regions
    .client(old)
    .cache.set({ namespace: 'failover', key: 'refused' }, { timeoutMs: 1000 })
    .catch((error) => error.details.reason)
  expect(refused).toBe('NO_PRIMARY')
  await primaryIs(regions, old)
  await settled(regions)
})

it('of two promotions at once one wins, the other says so, and no write is lost', async () => {
  const [old] = await primaryAndNext()
  const [one = '', two = ''] = regions.others(old)
  const writers = new Writers(regions, { prefix: 'two' })
  await waitFor('writes', () => writers.acknowledged.length > 30)
  const ended = await Promise.all([promote(regions, one), promote(regions, two)])
  const said = ended.map(({ exitCode, stderr }) => ({ exitCode, stderr }))
  expect(
    said.some(({ exitCode }) => exitCode === 0),
    JSON.stringify(said),
  ).toBe(true)
  for (const { exitCode, stderr } of said) {
    // Or it came when the first was done, and its region hadn't followed yet.
    if (exitCode !== 0) expect(stderr).toMatch(/is being promoted|could lose acknowledged writes/)
  }
  // When they didn't meet, the later one counts.
  const primary = await waitFor('one primary', async () => {
    const named = await Promise.all(
      regions.regions.map(
        async (region) => (await regions.client(region).cluster.getStatus({})).primaryRegion,
      ),
    )
    return new Set(named).size === 1 && [one, two].includes(named[0] ?? '') && named[0]
  })
  await primaryIs(regions, primary)
  await writers.stop()
  await settled(regions)
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
})

it('an old primary that comes back from an older snapshot, which knows of no promotion, acknowledges nothing and follows', async () => {
  const { cluster } = regions
  const [old, next] = await primaryAndNext()
  await cluster.snapshotRedis(old)
  const writers = new Writers(regions, { prefix: 'back' })
  await waitFor('writes', () => writers.acknowledged.length > 30)
  for (const name of ['dataRedis', ...SIDECARS]) await cluster.stopProcess(old, name, 'SIGKILL')
  await waitFor('the others to know that it is silent', async () => {
    const { regions: seen } = await regions.client(next).cluster.getStatus({})
    return seen.find(({ region }) => region === old)?.version === ''
  })
  const forced = await promote(regions, next, { force: true })
  expect(forced, forced.stderr).toMatchObject({ exitCode: 0 })
  const { version = '' } = await writers.firstAfter(performance.now())
  const [epoch] = version.split('-')

  await cluster.startProcess(old, 'dataRedis')
  const restarted = cluster.restartRedis(old, { aof: 'older' })
  await Promise.all([restarted, ...SIDECARS.map((name) => cluster.startProcess(old, name))])
  await primaryIs(regions, next)
  await writers.stop()
  await settled(regions)
  const since = writers.acknowledged.slice(
    writers.acknowledged.findIndex((write) => write.version === version),
  )
  expect(since.filter((write) => write.version?.split('-')[0] !== epoch)).toEqual([])
  const users = String(await cluster.dataRedis(old).command('ACL', 'LIST'))
  expect(users).toMatch(/user replica off/)
  const { violations } = await accountFor(regions, writers.acknowledged)
  expect(violations).toEqual([])
})

it('a configuration that is changed afterwards does not undo a promotion', async () => {
  const { cluster } = regions
  const [primary, next] = await primaryAndNext()
  const before = await clockOf(regions, primary)
  for (const region of regions.regions) {
    for (const name of SIDECARS) {
      await cluster.stopProcess(region, name)
      await cluster.startProcess(region, name, { env: { PERIGEE_PRIMARY: next } })
    }
  }
  await primaryIs(regions, primary)
  const { receipt } = await regions.client(next).cache.set({ namespace: 'n', key: 'k', value: bytes('v') })
  expect(receipt?.region).toBe(primary)
  expect((await clockOf(regions, primary)).split('-')[0]).toBe(before.split('-')[0])
})
