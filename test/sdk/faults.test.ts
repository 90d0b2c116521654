import { LocalCluster } from '@perigee/local-cluster'
import type { Perigee, PerigeeEvent } from '@perigee/sdk'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { clientIn } from '../support/client-in.ts'
import { type LoadCall, PacedLoad, type PacedLoadOptions, prepareLoad, told } from '../support/paced-load.ts'
import { waitFor } from '../support/wait-for.ts'

const HOME = 'eu-west-1'
const NEXT = 'us-east-1'
/** There and back between them. */
const DISTANCE_MS = 70
const TIMEOUT_MS = 1_000

let cluster: LocalCluster

beforeAll(async () => {
  cluster = await LocalCluster.start()
})

afterAll(() => cluster?.stop())

type Timed = PerigeeEvent & { readonly atMs: number }

/** A client whose home is eu-west-1, under a steady load that home answers. */
async function loaded(options: { from?: string; hedgeAfterMs?: number } & Partial<PacedLoadOptions> = {}) {
  const { from = HOME, ...load } = options
  const events: Timed[] = []
  const onEvent = (event: PerigeeEvent) => events.push({ ...event, atMs: performance.now() })
  const perigee: Perigee = await clientIn(cluster, from, { region: HOME, onEvent })
  onTestFinished(() => perigee.close())
  await prepareLoad(perigee)
  const steady = new PacedLoad(perigee, { kinds: ['get'], ...load })
  onTestFinished(() => steady.stop())
  const from_ =
    (region: string, kind: LoadCall['kind'] = 'get') =>
    (calls: readonly LoadCall[]) =>
      calls.find((call) => call.kind === kind && call.region === region)
  await waitFor('reads from home', () => steady.calls.length > 30 && from_(HOME)(steady.calls))
  return { perigee, load: steady, events, first: from_ }
}

/** Waits until reads come from home again, and checks that none failed on the way. */
async function comesHome(load: PacedLoad, sinceMs: number): Promise<void> {
  await waitFor(
    'reads from home',
    () => {
      const last = load
        .since(sinceMs)
        .filter(({ kind }) => kind === 'get')
        .slice(-20)
      return last.length === 20 && last.every(({ region }) => region === HOME)
    },
    { timeoutMs: 15_000 },
  )
  await load.stop()
  expect(told(load.since(sinceMs).filter(({ error }) => error))).toEqual([])
}

it('kill -9 of the nearest sidecar fails no idempotent call, and the next region answers within 300 ms of its distance', async () => {
  const { load, first } = await loaded({ kinds: ['get', 'set', 'search'] })
  const killedMs = performance.now()
  await cluster.stopProcess(HOME, 'sidecar', 'SIGKILL')
  onTestFinished(() => cluster.startProcess(HOME, 'sidecar').catch(() => {}))
  const answer = await waitFor('reads from the next region', () => first(NEXT)(load.calls))
  expect(answer.endedMs - killedMs).toBeLessThan(DISTANCE_MS + 300)
  await waitFor('a good number of them', () => load.since(killedMs).length > 100)
  await cluster.startProcess(HOME, 'sidecar')
  await comesHome(load, performance.now())
  expect(told(load.failed)).toEqual([])
})

it.each([
  [
    'SIGSTOP of the nearest sidecar',
    HOME,
    async () => {
      await cluster.stopProcess(HOME, 'sidecar', 'SIGSTOP')
      return () => cluster.stopProcess(HOME, 'sidecar', 'SIGCONT')
    },
  ],
  [
    'a link to the nearest sidecar that is half open',
    NEXT,
    async () => {
      await cluster.setLink(HOME, NEXT, { mode: 'stall' })
      return async () => {
        await cluster.setLink(HOME, NEXT, { mode: 'open' })
      }
    },
  ],
] as const)(
  '%s puts it aside in under three seconds; reads are answered in time and come home',
  async (_, from, fault) => {
    const { load, events, first } = await loaded({ from, timeoutMs: TIMEOUT_MS })
    const beganMs = performance.now()
    const heal = await fault()
    onTestFinished(() => heal().catch(() => {}))
    const ejected = await waitFor('it to be put aside', () =>
      events.find(({ type, atMs }) => type === 'ejected' && atMs > beganMs),
    )
    expect(ejected.atMs - beganMs).toBeLessThan(3_000)
    await waitFor('reads from the next region', () => first(NEXT)(load.calls))
    await waitFor('reads that go straight there', () => {
      const last = load.calls.slice(-30)
      return last.every(({ region, startedMs, endedMs }) => region === NEXT && endedMs - startedMs < 400)
    })
    await heal()
    await comesHome(load, performance.now())
    expect(told(load.failed)).toEqual([])
    const late = load.calls.filter(({ startedMs, endedMs }) => endedMs - startedMs > TIMEOUT_MS + 100)
    expect(told(late)).toEqual([])
  },
)

it('an idle client notices a stopped sidecar by itself, in under three seconds', async () => {
  const events: PerigeeEvent[] = []
  await using perigee = await clientIn(cluster, HOME, { onEvent: (event) => events.push(event) })
  await prepareLoad(perigee)
  await cluster.stopProcess(HOME, 'sidecar', 'SIGSTOP')
  onTestFinished(() => cluster.stopProcess(HOME, 'sidecar', 'SIGCONT'))
  await waitFor('it to be put aside', () => events.some(({ type }) => type === 'ejected'), {
    timeoutMs: 3_000,
  })
  expect(events).toMatchObject([{ type: 'ejected', why: 'unreachable', services: ['cache', 'search'] }])
  expect(perigee.endpoints[0]?.region).toBe(NEXT)
})

it('a read with hedging is answered by the next region while the nearest sidecar stands still', async () => {
  const { load, events } = await loaded({ hedgeAfterMs: 50 })
  const stoppedMs = performance.now()
  await cluster.stopProcess(HOME, 'sidecar', 'SIGSTOP')
  onTestFinished(() => cluster.stopProcess(HOME, 'sidecar', 'SIGCONT'))
  await waitFor('it to be put aside', () => events.find(({ type }) => type === 'ejected'))
  await load.stop()
  const hedged = load.since(stoppedMs)
  expect(told(load.failed)).toEqual([])
  expect(Math.max(...hedged.map(({ startedMs, endedMs }) => endedMs - startedMs))).toBeLessThan(450)
  expect(events.some(({ type }) => type === 'hedged')).toBe(true)
})

it('a region whose data Redis is dead is left within two seconds, and nothing is taken for missing', async () => {
  const { load } = await loaded({ kinds: ['get', 'search'] })
  const deadMs = performance.now()
  await cluster.stopProcess(HOME, 'dataRedis', 'SIGKILL')
  onTestFinished(() => cluster.startProcess(HOME, 'dataRedis').catch(() => {}))
  await waitFor('reads from elsewhere', () =>
    load
      .since(deadMs)
      .slice(-30)
      .every(({ region }) => region !== HOME),
  )
  await waitFor('two seconds of calls', () => (load.calls.at(-1)?.startedMs ?? 0) > deadMs + 2_500)
  await cluster.startProcess(HOME, 'dataRedis')
  await comesHome(load, performance.now())
  const after = load.since(deadMs + 2_000)
  expect(told(after.filter(({ error }) => error))).toEqual([])
  expect(told(load.missed)).toEqual([])
  expect(told(load.failed)).toEqual([])
})

it('a region whose index Redis is dead answers reads, and searches go to the next region', async () => {
  const { load, first } = await loaded({ kinds: ['get', 'search'] })
  await waitFor('searches at home', () => first(HOME, 'search')(load.calls))
  const deadMs = performance.now()
  await cluster.stopProcess(HOME, 'indexRedis', 'SIGKILL')
  onTestFinished(() => cluster.startProcess(HOME, 'indexRedis').catch(() => {}))
  await waitFor('searches from the next region', () => first(NEXT, 'search')(load.since(deadMs)))
  await waitFor('some more', () => load.since(deadMs).length > 100)
  const reads = load.since(deadMs).filter(({ kind }) => kind === 'get')
  expect(told(reads.filter(({ region }) => region !== HOME))).toEqual([])
  expect(told(load.failed)).toEqual([])
  await cluster.startProcess(HOME, 'indexRedis')
  await waitFor('searches at home again', () => first(HOME, 'search')(load.calls.slice(-20)), {
    timeoutMs: 20_000,
  })
  await load.stop()
  expect(told(load.failed)).toEqual([])
})
