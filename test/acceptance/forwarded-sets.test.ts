import { setTimeout as pause } from 'node:timers/promises'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { LocalCluster } from '@perigee/local-cluster'
import { Consistency } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../support/clients.ts'
import { percentile } from '../support/percentile.ts'
import { waitFor } from '../support/wait-for.ts'

const SETS = 200
// One way from us-east-1, as the cluster's relays delay it.
const DISTANCE_MS = { 'us-east-1': 0, 'eu-west-1': 35, 'ap-southeast-1': 105 } as const
const HEAD_START_MS = 10
type Region = keyof typeof DISTANCE_MS
const REGIONS = Object.keys(DISTANCE_MS) as Region[]

let cluster: LocalCluster
const clients = new Map<Region, RawClient>()

function client(region: Region): RawClient {
  const known = clients.get(region)
  if (known) return known
  const address = cluster.state().regions.find((r) => r.name === region)?.grpc
  if (!address) throw new Error(`no address of ${region}`)
  const made = new RawClient(address)
  clients.set(region, made)
  return made
}

beforeAll(async () => {
  cluster = await LocalCluster.start()
  for (const region of REGIONS) {
    await waitFor(`${region} to answer`, () => client(region).cache.get({ namespace: 'warm', key: 'up' }))
  }
  await waitFor('a first write', () => client('ap-southeast-1').cache.set({ namespace: 'warm', key: 'up' }))
})

afterAll(async () => {
  for (const c of clients.values()) c.close()
  await cluster?.stop()
})

/** Milliseconds by this machine's clock of the first EVENTUAL Get that returns the value. */
async function firstSeenMs(region: Region, key: string): Promise<number> {
  // It can't be there before the Set has travelled to us-east-1 and back out: asking all that while would only take
  // the machine's time from what is measured.
  await pause(DISTANCE_MS['ap-southeast-1'] + DISTANCE_MS[region] - HEAD_START_MS)
  const read = { namespace: 'sets', key, options: { consistency: Consistency.EVENTUAL } }
  return waitFor(
    `${key} in ${region}`,
    async () => {
      const { entry, receipt } = await client(region).cache.get(read)
      if (receipt?.region !== region || receipt.fallback) throw new Error(`${receipt?.region} answered`)
      return entry ? Date.now() : undefined
    },
    { everyMs: 2 },
  )
}

describe('Sets sent to ap-southeast-1', () => {
  it('are acknowledged by us-east-1, readable there at once, and everywhere soon after the distance', {
    // What the distance allows is asked, not what else this machine is at: a busy minute may pass.
    retry: 3,
    timeout: 240_000,
  }, async () => {
    const overMs: Record<Region, number[]> = { 'us-east-1': [], 'eu-west-1': [], 'ap-southeast-1': [] }
    const run = Date.now()
    for (let i = 0; i < SETS; i++) {
      const key = `${run}-${i}`
      const seen = Promise.all(
        REGIONS.map(async (region) => [region, await firstSeenMs(region, key)] as const),
      )
      const { receipt, version } = await client('ap-southeast-1').cache.set({
        namespace: 'sets',
        key,
        value: new TextEncoder().encode(`value ${i}`),
      })
      expect(receipt).toMatchObject({ region: 'us-east-1', fallback: false })

      const atPrimary = await client('us-east-1').cache.get({ namespace: 'sets', key })
      expect(atPrimary.entry?.version).toBe(version)
      const writtenAt = atPrimary.entry?.writtenAt
      if (!writtenAt) throw new Error('the entry has no written_at')
      for (const [region, seenMs] of await seen) {
        overMs[region].push(seenMs - timestampMs(writtenAt) - DISTANCE_MS[region])
      }
    }
    const p50 = Object.fromEntries(REGIONS.map((region) => [region, percentile(overMs[region], 0.5)]))
    // biome-ignore lint/suspicious/noConsole: the figure is the point
    console.info('p50 above the distance from us-east-1, ms', p50)
    for (const region of REGIONS) expect(p50[region], region).toBeLessThanOrEqual(10)
  })
})
