import { LocalCluster, type LocalClusterOptions } from '@perigee/local-cluster'
import { RawClient } from './clients.ts'
import { waitFor } from './wait-for.ts'

/** A primary, `us-east-1`, a replica, `eu-west-1`, no distance between them, and a client of each one's sidecar. */
export interface TwoRegions {
  readonly cluster: LocalCluster
  readonly us: RawClient
  readonly eu: RawClient
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts them, and waits until a write goes through both. @param token shown by the clients. */
export async function startTwoRegions(
  options: LocalClusterOptions = {},
  token?: string,
): Promise<TwoRegions> {
  const regions = ['us-east-1', 'eu-west-1']
  const cluster = await LocalCluster.start({ regions, distances: 'none', sentinel: false, ...options })
  const [us, eu] = cluster.state().regions.map(({ grpc }) => new RawClient(grpc, token)) as [
    RawClient,
    RawClient,
  ]
  await waitFor('a first write', () => eu.cache.set({ namespace: 'warm', key: 'up' }))
  await waitFor('it to arrive', async () => {
    const { entry, receipt } = await eu.cache.get({ namespace: 'warm', key: 'up' })
    return entry && receipt?.region === 'eu-west-1'
  })
  return {
    ...{ cluster, us, eu },
    async [Symbol.asyncDispose]() {
      us.close()
      eu.close()
      await cluster.stop()
    },
  }
}

/** A value's bytes. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** A value's text. */
export function text(value: Uint8Array | undefined): string | undefined {
  return value && new TextDecoder().decode(value)
}
