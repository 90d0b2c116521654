import { create } from '@bufbuild/protobuf'
import { LocalCluster } from '@perigee/local-cluster'
import {
  Health,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  WhenBehind,
} from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CallError, RawClient } from '../support/clients.ts'
import { ServiceClient } from '../support/service-client.ts'
import { waitFor } from '../support/wait-for.ts'

const SERVICES = ['', 'perigee.v1.CacheService', 'perigee.v1.SearchService']
const NOTICE_MS = 2000

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start({ regions: ['us-east-1', 'eu-west-1'], sentinel: false })
})

afterAll(() => cluster?.stop())

function region(name: string) {
  const found = cluster.state().regions.find((r) => r.name === name)
  if (!found) throw new Error(`there is no ${name}`)
  return found
}

async function check(name: string, service: string): Promise<ServingStatus> {
  using client = new ServiceClient(Health, region(name).grpc)
  const answer = await client.unary(Health.method.check, create(HealthCheckRequestSchema, { service }), 1000)
  return (answer as HealthCheckResponse).status
}

const readyz = async (name: string) => (await fetch(`http://${region(name).http}/readyz`)).status

async function statuses(name: string): Promise<ServingStatus[]> {
  return Promise.all(SERVICES.map((service) => check(name, service)))
}

const all = (status: ServingStatus) => SERVICES.map(() => status)

/** Waits until all services of a region are of a status. */
const becomes = (name: string, status: ServingStatus, timeoutMs: number) =>
  waitFor(
    `${name} to be ${status}`,
    async () => JSON.stringify(await statuses(name)) === JSON.stringify(all(status)),
    { timeoutMs, explain: () => statuses(name) },
  )

describe('health', () => {
  it('of an unknown service is NOT_FOUND', async () => {
    await expect(check('us-east-1', 'perigee.v1.Nothing')).rejects.toMatchObject({ status: 'NOT_FOUND' })
  })

  it('stays SERVING while the fallback answers, and is NOT_SERVING within 2 s when nobody does', async () => {
    await becomes('eu-west-1', ServingStatus.SERVING, 10_000)

    await cluster.stopProcess('eu-west-1', 'dataRedis', 'SIGKILL')
    using client = new RawClient(region('eu-west-1').grpc)
    await waitFor('a read from the fallback', async () => {
      const { receipt } = await client.cache.get({ namespace: 'a', key: 'k' })
      return receipt?.fallback
    })
    expect(await statuses('eu-west-1')).toEqual(all(ServingStatus.SERVING))
    expect(await readyz('eu-west-1')).toBe(200)

    await cluster.setLinks('eu-west-1', { mode: 'cut' })
    await becomes('eu-west-1', ServingStatus.NOT_SERVING, NOTICE_MS)
    expect(await readyz('eu-west-1')).toBe(503)
    expect((await fetch(`http://${region('eu-west-1').http}/livez`)).status).toBe(200)
    expect(await statuses('us-east-1')).toEqual(all(ServingStatus.SERVING))

    await cluster.setLinks('eu-west-1', { mode: 'open' })
    await becomes('eu-west-1', ServingStatus.SERVING, 10_000)
    await cluster.startProcess('eu-west-1', 'dataRedis')
    await waitFor('reads from its own Redis again', async () => {
      const { receipt } = await client.cache.get({ namespace: 'a', key: 'k' })
      return receipt?.fallback === false
    })
  })

  it('is NOT_SERVING within 2 s when a Redis hangs and there is no fallback', async () => {
    await becomes('us-east-1', ServingStatus.SERVING, 10_000)
    await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGSTOP')
    try {
      await becomes('us-east-1', ServingStatus.NOT_SERVING, NOTICE_MS)
    } finally {
      await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGCONT')
    }
    await becomes('us-east-1', ServingStatus.SERVING, 10_000)
  })
})

describe('a sidecar that is told to end', () => {
  it('says NOT_SERVING, ends its streams with UNAVAILABLE, finishes its calls, and exits', async () => {
    await becomes('eu-west-1', ServingStatus.SERVING, 10_000)
    using client = new RawClient(region('eu-west-1').grpc)
    const { receipt } = await client.cache.set({ namespace: 'a', key: 'k' })
    const sessionToken = Uint8Array.from(receipt?.sessionToken ?? [])
    new DataView(sessionToken.buffer).setBigUint64(17, 1_000_000n)
    const options = { sessionToken, maxWait: { seconds: 1n, nanos: 0 }, whenBehind: WhenBehind.FAIL }
    using health = new ServiceClient(Health, region('eu-west-1').grpc)
    const watch = health.stream<HealthCheckResponse>(
      Health.method.watch,
      create(HealthCheckRequestSchema, { service: 'perigee.v1.CacheService' }),
    )
    expect((await watch.next()).value?.status).toBe(ServingStatus.SERVING)
    const inFlight = client.cache
      .get({ namespace: 'a', key: 'k', options })
      .catch((error: CallError) => error)
    // Behind the call in flight on the same connection, so the sidecar has taken that.
    await client.cache.get({ namespace: 'a', key: 'k' })

    const ended = cluster.stopProcess('eu-west-1', 'sidecar')

    expect((await watch.next()).value?.status).toBe(ServingStatus.NOT_SERVING)
    await expect(watch.next()).rejects.toMatchObject({ status: 'UNAVAILABLE' })
    expect(await inFlight).toMatchObject({ details: { reason: 'BEHIND_SESSION' } })
    await ended
    expect(cluster.logTail('eu-west-1', 'sidecar')).toContain('stopped')
    await cluster.startProcess('eu-west-1', 'sidecar')
    await becomes('eu-west-1', ServingStatus.SERVING, 10_000)
  })
})
