import { type DnsSettings, LocalCluster, trueDns } from '@perigee/local-cluster'
import { type ConnectOptions, type Perigee, type PerigeeEvent, text } from '@perigee/sdk'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { callsUnderWay } from '../support/calls-under-way.ts'
import { clientIn } from '../support/client-in.ts'
import { waitFor } from '../support/wait-for.ts'

const HERE = 'eu-west-1'
const THERE = 'us-east-1'
/** As the issue has it: how soon after a change of DNS a new address is in use. */
const NEW_ADDRESS_WITHIN_MS = 5_000

let cluster: LocalCluster
/** The hosts of the two sidecars here. */
let first: string
let second: string
let port: number

beforeAll(async () => {
  cluster = await LocalCluster.start({ regions: [THERE, HERE], sidecars: 2 })
  const { sidecars = [] } = cluster.state().regions.find(({ name }) => name === HERE) ?? {}
  const addresses = sidecars.map(({ grpc }) => grpc.split(':'))
  first = addresses[0]?.[0] ?? ''
  second = addresses[1]?.[0] ?? ''
  port = Number(addresses[0]?.[1])
  await using perigee = await clientIn(cluster, HERE)
  await waitFor('a write', () => perigee.cache('dns', { codec: text }).set('a', '1'))
})

afterAll(() => cluster?.stop())

afterEach(async () => {
  await cluster.setDnsView(HERE, trueDns)
  for (const { name, sidecars } of cluster.state().regions) {
    for (const [i, { pid }] of sidecars.entries()) {
      if (pid === null || pid === undefined)
        await cluster.startProcess(name, i ? `sidecar-${i + 1}` : 'sidecar')
    }
  }
})

/** A client here that has answered once. */
async function client(options: Partial<ConnectOptions> = {}): Promise<Perigee> {
  const perigee = await clientIn(cluster, HERE, options)
  await perigee.cache('dns', { codec: text }).get('a')
  return perigee
}

/** Waits until names were looked up and answered so, or not, in each of the regions. */
async function lookedUp(perigee: Perigee, what: 'in vain' | 'well'): Promise<void> {
  const since = new Date()
  await waitFor(`every name to be looked up ${what}`, async () => {
    const { regions } = await perigee.explain()
    return regions.every(
      ({ lookedUpAt, questions }) =>
        lookedUpAt !== undefined &&
        lookedUpAt > since &&
        questions.some(({ type, error }) => type === 'A' && (error === undefined) === (what === 'well')),
    )
  })
}

async function addressesHere(perigee: Perigee): Promise<readonly string[]> {
  const { regions } = await perigee.explain()
  return regions.find(({ region }) => region === HERE)?.addresses ?? []
}

describe('while a known address lives, no call fails, and home answers', () => {
  it.each<[string, Partial<DnsSettings>]>([
    ['the name is gone (NXDOMAIN)', { mode: 'nxdomain' }],
    ['the name has no records', { mode: 'empty' }],
    ['DNS is silent', { mode: 'silent' }],
    ['DNS fails (SERVFAIL)', { mode: 'servfail' }],
    ['DNS sends garbage', { mode: 'garbage' }],
    ['DNS is slower than anyone waits', { delayMs: 5_000 }],
  ])('%s', async (_, fault) => {
    const events: PerigeeEvent[] = []
    await using perigee = await client({ onEvent: (event) => events.push(event) })
    const before = await addressesHere(perigee)
    await using calls = callsUnderWay(perigee)
    await cluster.setDnsView(HERE, fault)
    await lookedUp(perigee, 'in vain')
    await calls.more(20)
    expect(calls.failures).toEqual([])
    await calls.until('home', (answer) => answer.region === HERE)
    expect(await addressesHere(perigee)).toEqual(before)
    await cluster.setDnsView(HERE, trueDns)
    await lookedUp(perigee, 'well')
    await calls.more(20)
    expect(calls.failures).toEqual([])
    // Failures are told once, not at every look.
    expect(events.filter(({ type }) => type === 'discovery-failed').length).toBeLessThanOrEqual(2 * 2)
  })

  it('DNS names an address at which nobody is, while there are other regions', async () => {
    await cluster.setDns(HERE, HERE, { addresses: [first] })
    await using perigee = await client()
    await using calls = callsUnderWay(perigee)
    await cluster.setDns(HERE, HERE, { addresses: ['127.99.99.99'] })
    await waitFor('the wrong address', async () =>
      (await addressesHere(perigee)).includes(`127.99.99.99:${port}`),
    )
    await calls.more(20)
    await calls.until('the living one', (answer) => answer.region === HERE)
    expect(calls.failures).toEqual([])
  })

  it('DNS names an address at which nobody is', async () => {
    await cluster.setDns(HERE, HERE, { addresses: [first] })
    await using perigee = await client({ regions: [HERE] })
    await using calls = callsUnderWay(perigee)
    await cluster.setDns(HERE, HERE, { addresses: ['127.99.99.99'] })
    await waitFor('the wrong address', async () =>
      (await addressesHere(perigee)).includes(`127.99.99.99:${port}`),
    )
    await calls.more(20)
    expect(calls.failures).toEqual([])
    const { regions } = await perigee.explain()
    expect(regions[0]?.formerAddresses).toEqual([`${first}:${port}`])
    await cluster.setDns(HERE, HERE, { addresses: [first] })
    await waitFor('the right one again', async () =>
      (await addressesHere(perigee)).includes(`${first}:${port}`),
    )
    await calls.more(20)
    expect(calls.failures).toEqual([])
  })
})

describe('a new address', () => {
  it('is in use within five seconds of the change of DNS, when the old one is dead and stale', async () => {
    await cluster.setDns(HERE, HERE, { addresses: [first] })
    await using perigee = await client()
    await using calls = callsUnderWay(perigee)
    await calls.more(5)
    await cluster.stopProcess(HERE, 'sidecar', 'SIGKILL')
    // DNS goes on naming the dead one: the next region answers.
    await calls.until('the next region', (answer) => answer.region === THERE)
    await lookedUp(perigee, 'well')
    const changedAt = performance.now()
    await cluster.setDns(HERE, HERE, { addresses: [second] })
    const home = await calls.until('home by the new address', (answer) => answer.region === HERE)
    expect(home.at - changedAt).toBeLessThan(NEW_ADDRESS_WITHIN_MS)
    expect(calls.failures).toEqual([])
  })

  it('is in use within five seconds of the change of DNS, when the old one lives', async () => {
    await cluster.setDns(HERE, HERE, { addresses: [first] })
    await using perigee = await client()
    await using calls = callsUnderWay(perigee)
    await calls.more(5)
    const changedAt = performance.now()
    await cluster.setDns(HERE, HERE, { addresses: [second] })
    await waitFor('the new address', async () => (await addressesHere(perigee)).includes(`${second}:${port}`))
    expect(performance.now() - changedAt).toBeLessThan(NEW_ADDRESS_WITHIN_MS)
    await waitFor('the old one to be let go', async () => {
      const { regions } = await perigee.explain()
      return regions[0]?.formerAddresses.length === 0
    })
    // Whoever is killed there now is missed by nobody.
    await cluster.stopProcess(HERE, 'sidecar', 'SIGKILL')
    await calls.more(20)
    await calls.until('home by the new address', (answer) => answer.region === HERE)
    expect(calls.failures).toEqual([])
  })

  it('is in use within five seconds, when DNS answers again after it was silent from the beginning', async () => {
    await cluster.setDnsView(HERE, { mode: 'silent' })
    const start = performance.now()
    await using perigee = await clientIn(cluster, HERE)
    expect(performance.now() - start).toBeLessThan(3_000)
    const cache = perigee.cache('dns', { codec: text })
    await expect(cache.get('a', { timeoutMs: 500 })).rejects.toMatchObject({
      message: expect.stringContaining(`api.${HERE}.`),
    })
    const mendedAt = performance.now()
    await cluster.setDnsView(HERE, trueDns)
    await waitFor('an answer', () => cache.get('a', { timeoutMs: 500 }))
    expect(performance.now() - mendedAt).toBeLessThan(NEW_ADDRESS_WITHIN_MS)
  })
})

describe('whatever DNS says, a client connects and calls', () => {
  const many = Array.from({ length: 1_000 }, (_, i) => `127.98.${i >> 8}.${i & 255}`)

  it.each<[string, () => Partial<DnsSettings>]>([
    ['SRV with port 0, and a good one', () => ({ services: [{ port: 0 }, { port }] })],
    ['SRV with port 0 alone', () => ({ services: [{ port: 0 }] })],
    [
      'SRV that leads to itself',
      () => ({ services: [{ port, target: `_perigee._tcp.api.${HERE}.rag.internal` }] }),
    ],
    ['SRV that leads nowhere', () => ({ services: [{ port, target: 'nobody.invalid' }] })],
    ['SRV with a target that is no name', () => ({ services: [{ port, target: '../ \u0001[::1]:80' }] })],
    [
      'SRV with hundreds of targets',
      () => ({ services: many.slice(0, 500).map((target) => ({ port, target })) }),
    ],
    ['addresses of nobody', () => ({ addresses: ['0.0.0.0', '::', '255.255.255.255', 'ff02::1', first] })],
    ['a dead IPv6 address beside a good one', () => ({ addresses: ['::1', first] })],
    ['a thousand addresses', () => ({ addresses: many })],
  ])('%s', async (_, fault) => {
    await cluster.setDns(HERE, HERE, fault())
    const start = performance.now()
    await using perigee = await clientIn(cluster, HERE)
    expect(performance.now() - start).toBeLessThan(3_000)
    const entry = await perigee.cache('dns', { codec: text }).getEntry('a', { timeoutMs: 5_000 })
    expect(entry?.value).toBe('1')
    const { steps } = await perigee.explain()
    expect(steps.length).toBeGreaterThan(0)
  })
})

it('sidecars of a lower SRV priority are asked when those of a higher one are gone', async () => {
  await cluster.setDns(HERE, HERE, {
    addresses: [first],
    services: [
      { port, priority: 10, target: `api.${THERE}.rag.internal` },
      { port, priority: 0 },
    ],
  })
  await using perigee = await client({ regions: [HERE] })
  await using calls = callsUnderWay(perigee)
  await calls.until('the one of the higher priority', (answer) => answer.region === HERE)
  const { regions } = await perigee.explain()
  expect(regions[0]?.addresses[0]).toBe(`${first}:${port}`)
  await cluster.stopProcess(HERE, 'sidecar', 'SIGKILL')
  await calls.until('the spare one', (answer) => answer.region === THERE)
  expect(calls.failures).toEqual([])
})
