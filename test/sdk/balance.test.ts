import { LocalCluster } from '@perigee/local-cluster'
import type { PerigeeEvent } from '@perigee/sdk'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { clientIn } from '../support/client-in.ts'
import { PacedLoad, prepareLoad, told } from '../support/paced-load.ts'
import { waitFor } from '../support/wait-for.ts'

const HOME = 'eu-west-1'

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start({ regions: ['us-east-1', HOME], sidecars: 2, sentinel: false })
})

afterAll(() => cluster?.stop())

async function loaded(hedgeAfterMs?: number) {
  const events: PerigeeEvent[] = []
  const perigee = await clientIn(cluster, HOME, { hedgeAfterMs, onEvent: (event) => events.push(event) })
  onTestFinished(() => perigee.close())
  await prepareLoad(perigee)
  const load = new PacedLoad(perigee, { kinds: ['get'], everyMs: 10 })
  onTestFinished(() => load.stop())
  await waitFor('calls', () => load.calls.length > 50)
  return { perigee, load, events }
}

const others = (load: PacedLoad) => told(load.calls.filter(({ region }) => region !== HOME))

it('two sidecars of a region share its calls', async () => {
  const { perigee, load } = await loaded()
  const first = new Map<string, number>()
  await waitFor('many orders', () => {
    const address = perigee.endpoints[0]?.address ?? ''
    first.set(address, (first.get(address) ?? 0) + 1)
    return load.calls.length > 100
  })
  expect([...first.keys()].sort()).toEqual(
    cluster
      .state()
      .regions.find(({ name }) => name === HOME)
      ?.sidecars.map(({ grpc }) => grpc)
      .sort(),
  )
  await load.stop()
  expect(told(load.failed)).toEqual([])
})

it.each(['SIGKILL', 'SIGTERM'] as const)(
  '%s of one of two sidecars of a region leaves its calls to the other one',
  async (signal) => {
    const { load, events } = await loaded()
    await cluster.stopProcess(HOME, 'sidecar-2', signal)
    onTestFinished(() => cluster.startProcess(HOME, 'sidecar-2').catch(() => {}))
    await waitFor('it to be put aside', () => events.some(({ type }) => type === 'ejected'))
    const awayMs = performance.now()
    await waitFor('many calls', () => load.since(awayMs).length > 50)
    await cluster.startProcess(HOME, 'sidecar-2')
    await waitFor('it to be back', () => events.some(({ type }) => type === 'restored'), {
      timeoutMs: 15_000,
    })
    await load.stop()
    expect(told(load.failed)).toEqual([])
    expect(others(load)).toEqual([])
  },
)

it('a hedged read is answered by the other sidecar of the region while one stands still', async () => {
  const { load, events } = await loaded(50)
  const stoppedMs = performance.now()
  await cluster.stopProcess(HOME, 'sidecar-2', 'SIGSTOP')
  onTestFinished(() => cluster.stopProcess(HOME, 'sidecar-2', 'SIGCONT'))
  await waitFor('it to be put aside', () => events.some(({ type }) => type === 'ejected'))
  await load.stop()
  expect(told(load.failed)).toEqual([])
  expect(others(load)).toEqual([])
  expect(events.some(({ type }) => type === 'hedged')).toBe(true)
  const slowest = Math.max(...load.since(stoppedMs).map(({ startedMs, endedMs }) => endedMs - startedMs))
  expect(slowest).toBeLessThan(400)
})
