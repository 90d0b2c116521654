import { pino } from 'pino'
import { beforeEach, expect, it } from 'vitest'
import type { AbandonedRedis } from '../redis/abandoned-redis.ts'
import { AbandonedRegions } from './abandoned-regions.ts'
import type { OtherRegionNow } from './other-regions.ts'

const LEASE_MS = 2000
const unclaimed: AbandonedRedis = { role: 'master', claimed: false, life: 'a 1' }
const present = { role: 'replica', claimedEpoch: 0 } as OtherRegionNow

let nowMs = 0
let seen: AbandonedRedis | 'unreachable' = unclaimed
let named: string | undefined = 'there:1'
let says: Map<string, OtherRegionNow>
let asked = 0

beforeEach(() => {
  nowMs = 0
  seen = unclaimed
  named = 'there:1'
  says = new Map([
    ['there', 'silent'],
    ['elsewhere', present],
  ])
  asked = 0
})

function start(region = 'here') {
  return new AbandonedRegions({
    ...{ region, regions: ['there', 'here', 'elsewhere'], leaseMs: LEASE_MS },
    others: {
      since: () => says,
      addresses: () => new Map([['there', 'there:1']]),
      newestEpoch: () => 0,
      onAnswer: () => {},
    },
    look: async () => {
      if (seen === 'unreachable') throw new Error('no route')
      return seen
    },
    named: () => named,
    failOver: () => asked++,
    log: pino({ level: 'silent' }),
    nowMs: () => nowMs,
  })
}

async function lookFor(ms: number, regions: AbandonedRegions, each: (second: number) => void = () => {}) {
  for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 1000) {
    each(nowMs / 1000)
    await regions.look()
  }
}

it('asks for a failover once the primary, which answers, has had no claim for three leases', async () => {
  const regions = start()
  await lookFor(6000, regions)
  expect(asked).toBe(0)
  await lookFor(1000, regions)
  expect(asked).toBe(1)
})

it('lets the region before it in the configuration go first', async () => {
  const regions = start('elsewhere')
  says = new Map([
    ['there', 'silent'],
    ['here', present],
  ])
  await lookFor(10_000, regions)
  expect(asked).toBe(0)
  await lookFor(1000, regions)
  expect(asked).toBe(1)
})

it.each<[string, (second: number) => void]>([
  ['cannot be reached every other second', (second) => (seen = second % 2 ? 'unreachable' : unclaimed)],
  ['is claimed all the same', () => (seen = { ...unclaimed, claimed: true })],
  ['is claimed now and then', (second) => (seen = { ...unclaimed, life: `a ${Math.floor(second / 5)}` })],
  ['is a replica', () => (seen = { role: 'replica' })],
  ['is not the one that the Sentinels name', () => (named = 'elsewhere:1')],
  ['is not named by a majority', () => (named = undefined)],
  ['has a sidecar that answers now and then', (second) => says.set('there', second % 5 ? 'silent' : present)],
])('asks for nothing while that Redis %s', async (_, each) => {
  await lookFor(60_000, start(), each)
  expect(asked).toBe(0)
})
