import { create } from '@bufbuild/protobuf'
import { durationMs } from '@bufbuild/protobuf/wkt'
import { LocalCluster } from '@perigee/local-cluster'
import {
  ClusterService,
  type GetStatusResponse,
  type LagSummary,
  ProbeLagRequestSchema,
  type ProbeLagResponse,
  RegionState,
  type RegionStatus,
  Role,
  WatchStatusRequestSchema,
  type WatchStatusResponse,
} from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../support/clients.ts'
import { ServiceClient } from '../support/service-client.ts'
import { waitFor } from '../support/wait-for.ts'

const DISTANCES_MS = { 'us-east-1': 0, 'eu-west-1': 35, 'ap-southeast-1': 105 } as const
type Region = keyof typeof DISTANCES_MS
const REGIONS = Object.keys(DISTANCES_MS) as Region[]

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start()
})

afterAll(() => cluster?.stop())

function region(name: Region) {
  const found = cluster.state().regions.find((r) => r.name === name)
  if (!found) throw new Error(`there is no ${name}`)
  return found
}

async function statusFrom(name: Region): Promise<GetStatusResponse> {
  using client = new RawClient(region(name).grpc)
  return await client.cluster.getStatus({})
}

function statusOf(name: Region, status: GetStatusResponse | undefined): RegionStatus {
  const found = status?.regions.find((r) => r.region === name)
  if (!found) throw new Error(`the status says nothing of ${name}`)
  return found
}

const lagMs = ({ replicationLag }: RegionStatus) => (replicationLag ? durationMs(replicationLag) : Number.NaN)

const uncertaintyMs = ({ lagUncertainty }: RegionStatus) =>
  lagUncertainty ? durationMs(lagUncertainty) : Number.NaN

/** Waits until a region says of all regions what is true of a healthy cluster. */
const settled = (name: Region) =>
  waitFor(
    `${name} to know all regions`,
    async () => {
      const status = await statusFrom(name)
      const healthy = status.regions.every((r) => r.state === RegionState.SERVING && r.replicationLag)
      return healthy && status.regions.length === REGIONS.length ? status : undefined
    },
    { explain: async () => (await statusFrom(name)).regions.map((r) => [r.region, r.state, r.role]) },
  )

describe('the status of a healthy cluster', () => {
  it.each(REGIONS)(
    'is the same from %s: roles, epoch, round trips, and lags near the distances',
    async (from) => {
      await settled(from)
      const status = await waitFor(
        // The first exchange of clocks may have met a busy machine; one a second follows.
        'lags near the distances, and sure of that',
        async () => {
          const newest = await statusFrom(from)
          const near = REGIONS.every(
            (name) => Math.abs(lagMs(statusOf(name, newest)) - DISTANCES_MS[name]) < 20,
          )
          return near && uncertaintyMs(statusOf(from, newest)) < DISTANCES_MS[from] + 25 ? newest : undefined
        },
        {
          explain: async () =>
            (await statusFrom(from)).regions.map((r) => [r.region, lagMs(r), uncertaintyMs(r)]),
        },
      )
      expect(status).toMatchObject({ region: from, primaryRegion: 'us-east-1' })
      const roles = status.regions.map(({ region, role }) => [region, role])
      expect(roles).toEqual([
        ['us-east-1', Role.PRIMARY],
        ['eu-west-1', Role.REPLICA],
        ['ap-southeast-1', Role.REPLICA],
      ])
      expect(new Set(status.regions.map(({ epoch }) => epoch)).size).toBe(1)
      for (const other of status.regions.filter((r) => r.region !== from)) {
        const roundTrip = other.roundTrip ? durationMs(other.roundTrip) : 0
        expect(roundTrip, other.region).toBeGreaterThan(60)
        expect(other.version).not.toBe('')
      }
    },
  )

  it('is on the page for tools, too', async () => {
    const page = await fetch(`http://${region('eu-west-1').http}/status.json`)
    expect(page.headers.get('content-type')).toBe('application/json')
    expect(await page.json()).toMatchObject({ region: 'eu-west-1', primaryRegion: 'us-east-1' })
  })
})

describe('a lag probe', () => {
  it.each(REGIONS)('measures the distance to %s within 10 ms', async (to) => {
    using client = new ServiceClient(ClusterService, region(to).grpc)
    const request = create(ProbeLagRequestSchema, {
      samples: 40,
      interval: { seconds: 0n, nanos: 20_000_000 },
    })
    let samples = 0
    let summary: LagSummary | undefined
    for await (const { event } of client.stream<ProbeLagResponse>(ClusterService.method.probeLag, request)) {
      expect(summary, 'the summary comes last').toBeUndefined()
      if (event.case === 'sample') samples++
      if (event.case === 'summary') summary = event.value
    }
    expect(summary).toMatchObject({ fromRegion: 'us-east-1', toRegion: to, samples: 40, lost: 0 })
    expect(samples).toBe(40)
    const p50 = durationMs(summary?.p50 ?? ({} as never))
    expect(p50).toBeGreaterThanOrEqual(DISTANCES_MS[to] - 5)
    expect(p50).toBeLessThanOrEqual(DISTANCES_MS[to] + 10)
  })
})

describe('a region that is cut off', () => {
  it('is behind by ever more and then stale in its own eyes, unreachable in others’, and well again after', async () => {
    using client = new ServiceClient(ClusterService, region('us-east-1').grpc)
    const request = create(WatchStatusRequestSchema, { interval: { seconds: 30n, nanos: 0 } })
    const watch = client.stream<WatchStatusResponse>(ClusterService.method.watchStatus, request)
    await settled('us-east-1')
    await settled('eu-west-1')
    await watch.next()

    await cluster.setLinks('eu-west-1', { mode: 'cut' })

    const { value: told } = await watch.next()
    expect(statusOf('eu-west-1', told?.status).state).toBe(RegionState.UNREACHABLE)
    await waitFor('eu-west-1 to call itself stale', async () => {
      const own = statusOf('eu-west-1', await statusFrom('eu-west-1'))
      return own.state === RegionState.STALE && lagMs(own) > 5000
    })

    await cluster.setLinks('eu-west-1', { mode: 'open' })

    const healed = await settled('us-east-1')
    expect(statusOf('eu-west-1', healed).role).toBe(Role.REPLICA)
    await settled('eu-west-1')
    await watch.return(undefined)
  })
  it('is stale in the eyes of a sidecar that starts meanwhile, too', async () => {
    await settled('eu-west-1')
    await cluster.setLinks('eu-west-1', { mode: 'cut' })
    await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGKILL')
    await cluster.startProcess('eu-west-1', 'sidecar')
    await waitFor('eu-west-1 to call itself stale', async () => {
      const own = statusOf('eu-west-1', await statusFrom('eu-west-1'))
      return own.state === RegionState.STALE && own.replicationLag === undefined
    })
    await cluster.setLinks('eu-west-1', { mode: 'open' })
    await settled('eu-west-1')
  })
})

describe('a data Redis that has lost its clock', () => {
  it('does not serve, in its own eyes and in those of others', async () => {
    await settled('eu-west-1')
    const redis = cluster.dataRedis('us-east-1')
    const clock = String(await redis.command('GET', 'pg:{0}:clock'))

    await redis.command('DEL', 'pg:{0}:clock')
    for (const from of ['us-east-1', 'eu-west-1'] as const) {
      await waitFor(`${from} to know`, async () => {
        const us = statusOf('us-east-1', await statusFrom(from))
        return us.state === RegionState.SYNCING && us.position === ''
      })
    }

    await redis.command('SET', 'pg:{0}:clock', clock)
    await settled('eu-west-1')
  })
})
