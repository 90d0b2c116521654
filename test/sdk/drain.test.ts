import { LocalCluster } from '@perigee/local-cluster'
import type { ClusterStatus, Perigee, PerigeeEvent } from '@perigee/sdk'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { clientIn } from '../support/client-in.ts'
import { PacedLoad, prepareLoad, told } from '../support/paced-load.ts'
import { waitFor } from '../support/wait-for.ts'

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start()
})

afterAll(() => cluster?.stop())

/** A status watch that goes on by itself; tells who answers. */
function watching(perigee: Perigee) {
  const heard: ClusterStatus[] = []
  let error: unknown
  const stop = new AbortController()
  const ended = (async () => {
    const statuses = perigee.cluster.watchStatus({ intervalMs: 100, signal: stop.signal })
    for await (const status of statuses) heard.push(status)
  })().catch((thrown: unknown) => {
    if (!stop.signal.aborted) error = thrown
  })
  const end = () => {
    stop.abort()
    return ended
  }
  return { heard, error: () => error, end }
}

it.each([
  ['next to it', 'eu-west-1'],
  ['70 ms away', 'us-east-1'],
])(
  'a sidecar that is stopped by SIGTERM under load fails no call of a client %s, and ends no status watch',
  async (_, from) => {
    const events: PerigeeEvent[] = []
    const onEvent = (event: PerigeeEvent) => events.push(event)
    await using perigee = await clientIn(cluster, from, { region: 'eu-west-1', onEvent })
    await prepareLoad(perigee)
    const watch = watching(perigee)
    const load = new PacedLoad(perigee, { kinds: ['get', 'set', 'search'] })
    await waitFor('calls and statuses from home', () => load.calls.length > 30 && watch.heard.length > 2)

    await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGTERM')
    await waitFor('a status from elsewhere', () => watch.heard.at(-1)?.region === 'us-east-1')
    const awayMs = performance.now()
    await waitFor('reads from elsewhere', () =>
      load.since(awayMs).some(({ region }) => region === 'us-east-1'),
    )

    await cluster.startProcess('eu-west-1', 'sidecar')
    const backMs = performance.now()
    await waitFor('reads from home', () => load.since(backMs).some(({ region }) => region === 'eu-west-1'), {
      timeoutMs: 15_000,
    })
    await load.stop()
    await watch.end()
    expect(told(load.failed)).toEqual([])
    expect(watch.error()).toBeUndefined()
    expect(told(load.missed)).toEqual([])
    expect(events).toContainEqual(expect.objectContaining({ type: 'ejected', why: 'not-serving' }))
    expect(events).toContainEqual(expect.objectContaining({ type: 'restored' }))
  },
)
