import { onTestFinished } from 'vitest'
import type { ConnectOptions } from '../connect-options.ts'
import type { PerigeeEvent } from '../event.ts'
import { Perigee } from '../perigee.ts'
import { PerigeeError } from '../perigee-error.ts'
import { SmallCluster, SmallSidecar } from './small-sidecar.ts'

/** eu-west-1, where the client is, and us-east-1; both end with the test. */
export async function smallRegions(options: Partial<ConnectOptions> = {}) {
  const cluster = new SmallCluster()
  const near = await SmallSidecar.start('eu-west-1', cluster)
  const far = await SmallSidecar.start('us-east-1', cluster)
  const events: PerigeeEvent[] = []
  const connect = async () => {
    const client = await Perigee.connect({
      region: 'eu-west-1',
      addresses: { 'us-east-1': far.address, 'eu-west-1': near.address },
      onEvent: (event) => events.push(event),
      ...options,
    })
    onTestFinished(() => client.close())
    return client
  }
  onTestFinished(async () => {
    await near.kill()
    await far.kill()
  })
  return { cluster, near, far, events, connect, perigee: await connect() }
}

/** What a promise fails with; fails itself when it doesn't. */
export async function failure(promise: Promise<unknown>): Promise<PerigeeError> {
  const thrown = await promise.then(
    () => new Error('it did not fail'),
    (error) => error,
  )
  if (thrown instanceof PerigeeError) return thrown
  throw thrown
}
