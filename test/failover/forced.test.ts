import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { LostWrites } from './lost-writes.ts'
import { clockOf, level, primaryIs, promote, startStaticRegions, statusOf } from './promoting.ts'
import { type SentinelRegions, settled, startSentinelRegions } from './sentinel-regions.ts'

let regions: SentinelRegions
let old: string

describe('without Sentinel', () => {
  beforeAll(async () => {
    regions = await startStaticRegions()
    old = regions.cluster.primary
  }, 180_000)

  afterAll(() => regions?.[Symbol.asyncDispose]())

  it('a replica that is promoted by force loses what only the primary has: sessions that saw it are told everywhere, all others go on, and nothing of it is served again', async () => {
    const { cluster } = regions
    const [next = ''] = regions.others(old)
    const writes = new LostWrites(regions)
    await writes.writeKept(old)
    const common = await level(regions)
    await cluster.setLinks(old, { mode: 'cut' })
    await writes.writeLost(old)
    await waitFor(
      'the others to know that it is silent',
      async () => (await statusOf(regions, old, next)).version === '',
    )

    const refused = await promote(regions, next)
    expect(refused, refused.stderr).toMatchObject({ exitCode: 4 })
    expect(refused.stderr).toContain(`${old} is silent`)
    expect(refused.stderr).toContain(`${next} holds writes up to ${common}`)
    expect(refused.stderr).toContain(`perigee promote ${next} --force`)
    expect(await clockOf(regions, next)).toBe(common)

    const promoted = await promote(regions, next, { force: true })
    expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
    const reachable = regions.others(old)
    await writes.isTold(reachable)
    await writes.isNeverServed(reachable, 500)

    await cluster.setLinks(old, { mode: 'open' })
    await primaryIs(regions, next)
    await settled(regions)
    await writes.isTold(regions.regions)
    await writes.allAgree()
    await writes.isNeverServed(regions.regions, 2000)
  }, 180_000)
})

describe('without Sentinel, of two regions', () => {
  beforeAll(async () => {
    regions = await startStaticRegions({ regions: ['us-east-1', 'eu-west-1'] })
    old = regions.cluster.primary
  }, 180_000)

  afterAll(() => regions?.[Symbol.asyncDispose]())

  it('an old primary that claims once more while it is cut off gives way as soon as it hears of the promotion, and its later epoch is left behind', async () => {
    const { cluster } = regions
    const [next = ''] = regions.others(old)
    const writes = new LostWrites(regions)
    await writes.writeKept(old)
    await level(regions)
    await cluster.setLinks(old, { mode: 'cut' })
    await waitFor('it to be silent', async () => (await statusOf(regions, old, next)).version === '')
    const promoted = await promote(regions, next, { force: true })
    expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
    const epochOf = async (region: string) => Number((await clockOf(regions, region)).split('-')[0])
    const promotedEpoch = await epochOf(next)

    await cluster.stopProcess(old, 'sidecar', 'SIGKILL')
    // Its lease runs out meanwhile.
    await pause(2500)
    await cluster.startProcess(old, 'sidecar')
    await waitFor('the old primary to claim once more', async () => (await epochOf(old)) > promotedEpoch)
    await writes.writeLost(old)
    const stray = await epochOf(old)

    await cluster.setLinks(old, { mode: 'open' })
    await primaryIs(regions, next)
    await waitFor('a claim above the stray one', async () => (await epochOf(next)) > stray)
    await settled(regions)
    await writes.isTold(regions.regions)
    await writes.allAgree()
    await writes.isNeverServed(regions.regions, 1000)
  }, 180_000)
})

describe('under Sentinel', () => {
  beforeAll(async () => {
    regions = await startSentinelRegions()
    old = regions.cluster.primary
  }, 180_000)

  afterAll(() => regions?.[Symbol.asyncDispose]())

  it('a primary region that is cut off, writes, and is killed loses what only it has: sessions that saw it are told everywhere, all others go on, and nothing of it is served again', async () => {
    const { cluster } = regions
    const writes = new LostWrites(regions)
    await writes.writeKept(old)
    await level(regions)
    await cluster.setLinks(old, { mode: 'cut' })
    await writes.writeLost(old)
    const processes = Object.keys(cluster.state().regions.find(({ name }) => name === old)?.pids ?? {})
    await Promise.all(processes.map((name) => cluster.stopProcess(old, name, 'SIGKILL')))
    const reachable = regions.others(old)
    const [asked = ''] = reachable
    await waitFor(
      'another region to take over',
      async () => (await regions.client(asked).cluster.getStatus({})).primaryRegion !== old,
      { timeoutMs: 60_000 },
    )
    await writes.isTold(reachable)
    await writes.isNeverServed(reachable, 500)

    await cluster.setLinks(old, { mode: 'open' })
    await Promise.all(processes.map((name) => cluster.startProcess(old, name)))
    await settled(regions)
    await writes.isTold(regions.regions)
    await writes.allAgree()
    await writes.isNeverServed(regions.regions, 2000)
  }, 240_000)
})
