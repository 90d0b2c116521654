import { LocalCluster } from '@perigee/local-cluster'
import { WhenBehind } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CallError, RawClient } from '../support/clients.ts'
import { waitFor } from '../support/wait-for.ts'

const CALLS_MAX = 20

let cluster: LocalCluster
let client: RawClient

beforeAll(async () => {
  cluster = await LocalCluster.start({
    regions: ['us-east-1', 'eu-west-1'],
    distances: 'none',
    sentinel: false,
    sidecarEnv: { PERIGEE_CALLS_IN_FLIGHT_MAX: String(CALLS_MAX) },
  })
  client = new RawClient(cluster.state().regions[1]?.grpc ?? '')
})

afterAll(async () => {
  client?.close()
  await cluster?.stop()
})

/** A token of something not written yet, so that reads with it wait. */
async function tokenOfTheFuture(): Promise<Uint8Array> {
  const { receipt } = await waitFor('a first write', () => client.cache.set({ namespace: 'a', key: 'k' }))
  const token = Uint8Array.from(receipt?.sessionToken ?? [])
  new DataView(token.buffer).setBigUint64(17, 1_000_000n)
  return token
}

describe('a sidecar with as many calls in flight as it takes', () => {
  it('turns the next ones away at once with a time to wait, and takes calls again when some have ended', async () => {
    const sessionToken = await tokenOfTheFuture()
    const waiting = Array.from({ length: CALLS_MAX + 10 }, () =>
      client.cache
        .get({
          namespace: 'a',
          key: 'k',
          options: { sessionToken, maxWait: { seconds: 2n, nanos: 0 }, whenBehind: WhenBehind.FAIL },
        })
        .catch((error: unknown) => error),
    )
    const outcomes = (await Promise.all(waiting)) as CallError[]
    const refused = outcomes.filter(({ details }) => details.reason === 'OVERLOADED')
    const behind = outcomes.filter(({ details }) => details.reason === 'BEHIND_SESSION')

    // A region asks the other how it is, which takes a call in flight now and then.
    expect(refused.length).toBeGreaterThanOrEqual(10)
    expect(refused.length + behind.length).toBe(CALLS_MAX + 10)
    for (const { status, details } of refused) {
      expect(status).toBe('RESOURCE_EXHAUSTED')
      expect(details.retryDelayMs).toBeGreaterThan(0)
    }
    expect((await client.cache.get({ namespace: 'a', key: 'k' })).entry?.key).toBe('k')
  })
})
