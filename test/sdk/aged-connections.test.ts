import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { callsUnderWay } from '../support/calls-under-way.ts'
import { clientIn } from '../support/client-in.ts'
import { waitFor } from '../support/wait-for.ts'

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start({
    ...{ regions: ['us-east-1'], sentinel: false },
    sidecarEnv: { PERIGEE_CONNECTION_AGE_MS: '700', PERIGEE_CONNECTION_AGE_GRACE_MS: '20000' },
  })
})

afterAll(() => cluster?.stop())

/** How many connections the sidecar has. */
async function connections(): Promise<number> {
  const { http } = cluster.state().regions[0] ?? {}
  const text = await (await fetch(`http://${http}/metrics`)).text()
  return Number(/^perigee_connections (\d+)/m.exec(text)?.[1])
}

it.each(['auto', 'unary'] as const)(
  'of %s calls none fails while its connections are closed for their age, and none of these stays',
  async (transport) => {
    const client = await clientIn(cluster, 'us-east-1', { transport })
    let made = 0
    const { grpc } = cluster.state().regions[0] ?? {}
    const onSocket = (message: unknown) => {
      const { socket } = message as { socket: Socket }
      socket.once('connect', () => {
        if (`${socket.remoteAddress}:${socket.remotePort}` === grpc) made += 1
      })
    }
    subscribe('net.client.socket', onSocket)
    onTestFinished(() => void unsubscribe('net.client.socket', onSocket))
    const numbers = new Set<number>()
    {
      await using calls = callsUnderWay(client)
      const untilMs = performance.now() + 6_000
      while (performance.now() < untilMs) {
        await calls.more(20)
        numbers.add(await connections())
      }
      expect(calls.failures).toEqual([])
      expect(made).toBeGreaterThan(4)
    }
    await client.close()
    await waitFor('all to be closed', async () => (await connections()) === 0)
    expect(Math.max(...numbers)).toBeLessThan(6)
  },
)
