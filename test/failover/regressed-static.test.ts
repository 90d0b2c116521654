import { setTimeout as pause } from 'node:timers/promises'
import { RegionState } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CallError } from '../support/clients.ts'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { clockOf, level, primaryIs, promote, startStaticRegions, statusOf } from './promoting.ts'
import { type SentinelRegions, settled, type TriedWrite, Writers } from './sentinel-regions.ts'

let regions: SentinelRegions
/** All that was ever acknowledged. */
const acknowledged: TriedWrite[] = []

beforeAll(async () => {
  regions = await startStaticRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

type Fate = Parameters<typeof regions.cluster.restartRedis>[1]

/** What a supervisor's instant restart leaves, and what must happen before so that it leaves less than there was. */
const FATES: [string, (old: string) => Promise<Fate>][] = [
  [
    'with the tail of its AOF cut off',
    async (old) => {
      const keepBytes = regions.cluster.aofBytes(old)
      return { aof: 'cut', keepBytes }
    },
  ],
  [
    'from an older snapshot',
    async (old) => {
      await regions.cluster.snapshotRedis(old)
      return { aof: 'older' }
    },
  ],
  ['empty', async () => ({ aof: 'empty' })],
]

/** Writes that were acknowledged, until there are enough and every region holds them. */
async function writeSome(prefix: string): Promise<void> {
  const writers = new Writers(regions, { prefix })
  await waitFor('writes', () => writers.acknowledged.length > 60, {
    timeoutMs: 30_000,
    explain: () => writers.tried.slice(-5),
  })
  await writers.stop()
  acknowledged.push(...writers.acknowledged)
}

/** No write is taken there; once the region has heard of it, it is told what to do. */
async function refusesAndTells(region: string, advice: string): Promise<void> {
  const taken: unknown[] = []
  let told = ''
  const write = { namespace: 'failover', key: 'refused' }
  await waitFor(
    `${region} to tell what to do`,
    async () => {
      try {
        taken.push(await regions.client(region).cache.set(write))
      } catch (error) {
        const { details, message } = error as CallError
        told = `${details.reason} ${message}`
      }
      return taken.length > 0 || (told.startsWith('NO_PRIMARY') && told.includes(advice))
    },
    { explain: () => told },
  )
  expect(taken).toEqual([])
}

describe.each(FATES)(
  'without Sentinel, a primary Redis that is killed and started at once, %s',
  (fault, prepare) => {
    it('takes no writes and rolls nobody back; the operator is told how, and promoting the region ahead loses nothing', async () => {
      const { cluster } = regions
      const old = await waitFor('one primary', () => cluster.primary)
      const fate = await prepare(old)
      await writeSome(fault.replaceAll(' ', '-'))
      const newest = await level(regions)

      await cluster.restartRedis(old, fate)
      const { advice, ahead } = await waitFor(
        'status to say that it is regressed',
        async () => {
          const status = await statusOf(regions, old)
          const [, region = ''] = /"perigee promote ([\w-]+)"/.exec(status.advice) ?? []
          return status.state === RegionState.REGRESSED && region && { advice: status.advice, ahead: region }
        },
        {
          timeoutMs: 20_000,
          explain: async () => {
            const { state, role, position, advice } = await statusOf(regions, old)
            return { state, role, position, advice }
          },
        },
      )
      expect(regions.others(old)).toContain(ahead)
      expect(advice).toContain(newest)
      for (const region of regions.regions) await refusesAndTells(region, `perigee promote ${ahead}`)
      expect(cluster.logTail(old, 'sidecar')).toContain(`perigee promote ${ahead}`)
      // Longer than a replica takes to try again, and than any lease lasts.
      await pause(2500)
      for (const region of regions.others(old)) expect(await clockOf(regions, region)).toBe(newest)

      const promoted = await promote(regions, ahead)
      expect(promoted, promoted.stderr).toMatchObject({ exitCode: 0 })
      expect(promoted.stdout).toContain(`${ahead} is the primary`)
      await settled(regions)
      await primaryIs(regions, ahead)
      await writeSome(`after-${fault.replaceAll(' ', '-')}`)
      await settled(regions)
      const { lost, violations } = await accountFor(regions, acknowledged)
      expect({ lost, violations }).toEqual({ lost: [], violations: [] })
    })
  },
)

it('keeps to the promoted region when every process of every region is killed and started again, though the configuration names another', async () => {
  const { cluster } = regions
  const promoted = await waitFor('one primary', () => cluster.primary)
  expect(promoted).not.toBe(cluster.layout.regions[0])
  const processes = cluster
    .state()
    .regions.flatMap(({ name, pids }) => Object.keys(pids).map((process) => [name, process] as const))
  await Promise.all(processes.map(([region, name]) => cluster.stopProcess(region, name, 'SIGKILL')))
  await Promise.all(processes.map(([region, name]) => cluster.startProcess(region, name)))
  await primaryIs(regions, promoted)
  await settled(regions)
  await writeSome('after-all')
  const { violations } = await accountFor(regions, acknowledged)
  expect(violations).toEqual([])
})
