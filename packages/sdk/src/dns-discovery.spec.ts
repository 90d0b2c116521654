import { encode } from 'dns-packet'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Resolution } from './discovery.ts'
import { DnsDiscovery } from './dns-discovery.ts'
import { SmallNames } from './spec/small-names.ts'

const API = 'api.eu-west-1.rag.internal'
const SERVICE = `_perigee._tcp.${API}`

async function names() {
  const server = await SmallNames.start()
  const discovery = new DnsDiscovery({ domain: 'rag.internal', port: 7700, server: server.address })
  onTestFinished(async () => {
    discovery.close()
    await server[Symbol.asyncDispose]()
  })
  const resolve = () => discovery.resolve('eu-west-1')
  const addresses = async () => addressesOf(await resolve())
  return { server, discovery, resolve, addresses }
}

function addressesOf({ addresses }: Resolution): string[] {
  return addresses.map(({ address }) => address).sort()
}

describe('the addresses of a region', () => {
  it('are its A and AAAA records with the default port', async () => {
    const { server, addresses } = await names()
    server.a(API, '10.0.0.1', '10.0.0.2')
    server.aaaa(API, 'fd00::1')
    expect(await addresses()).toEqual(['10.0.0.1:7700', '10.0.0.2:7700', '[fd00::1]:7700'])
  })

  it('are those of its SRV records, in order of priority, when it has any', async () => {
    const { server, resolve } = await names()
    server.a(API, '10.0.0.9')
    server.srv(
      SERVICE,
      { target: 'spare.rag.internal', port: 7, priority: 10 },
      { target: 'one.rag.internal', port: 8 },
      { target: 'ONE.rag.internal', port: 9 },
    )
    server.a('spare.rag.internal', '10.0.0.3')
    server.a('one.rag.internal', '10.0.0.1')
    server.a('ONE.rag.internal', '10.0.0.1')
    const { addresses } = await resolve()
    expect(
      addresses
        .slice(0, 2)
        .map(({ address }) => address)
        .sort(),
    ).toEqual(['10.0.0.1:8', '10.0.0.1:9'])
    expect(addresses.at(2)).toEqual({ address: '10.0.0.3:7', priority: 10 })
    // However often a name is a target, it is asked for once.
    expect(server.asked.filter((asked) => /^A one\./i.test(asked))).toHaveLength(1)
  })

  it('may be in a domain with a final dot, which spares search domains', async () => {
    const { server } = await names()
    const discovery = new DnsDiscovery({ domain: 'rag.internal.', port: 7700, server: server.address })
    onTestFinished(() => discovery.close())
    server.srv(SERVICE, { target: API, port: 8 })
    server.a(API, '10.0.0.1')
    expect(addressesOf(await discovery.resolve('eu-west-1'))).toEqual(['10.0.0.1:8'])
  })

  it('come with all that was asked and answered', async () => {
    const { server, resolve } = await names()
    server.a(API, '10.0.0.1')
    server.srv(SERVICE, { target: API, port: 7800 })
    const { questions, error } = await resolve()
    expect(error).toBeUndefined()
    const told = questions.map(({ tookMs, server: asked, ...question }) => {
      expect(asked).toBe(server.address)
      expect(tookMs).toBeGreaterThanOrEqual(0)
      return question
    })
    expect(told).toHaveLength(3)
    expect(told).toContainEqual({
      name: SERVICE,
      type: 'SRV',
      records: [`0 0 7800 ${API}`],
      error: undefined,
      remembered: false,
    })
    expect(told).toContainEqual({
      name: API,
      type: 'AAAA',
      records: [],
      error: 'ENOTFOUND',
      remembered: false,
    })
  })

  it('are not to be had of a server that is not there, and it says what to do', async () => {
    const discovery = new DnsDiscovery({ domain: 'rag.internal', port: 7700, server: '127.0.0.1:1' })
    onTestFinished(() => discovery.close())
    const { addresses, error } = await discovery.resolve('eu-west-1')
    expect(addresses).toEqual([])
    expect(error?.message).toMatch(/127\.0\.0\.1:1 gave no address for api\.eu-west-1.*check `domain`/)
  })

  it('are looked up by the system without a server', async () => {
    const discovery = new DnsDiscovery({ domain: 'nowhere.invalid', port: 7700 })
    onTestFinished(() => discovery.close())
    const { addresses, questions, error } = await discovery.resolve('eu-west-1')
    expect(addresses).toEqual([])
    expect(questions[0]).toBeDefined()
    expect(questions.some(({ type, server }) => type === 'A/AAAA' && server === 'system')).toBe(true)
    expect(error?.code).toBe('UNAVAILABLE')
  })
})

describe('half an answer', () => {
  it.each(['servfail', 'silent'] as const)('is made whole by what was said before: %s', async (failure) => {
    const { server, resolve } = await names()
    server.srv(SERVICE, { target: 'one.rag.internal', port: 8 }, { target: 'two.rag.internal', port: 9 })
    server.a(API, '10.0.0.1', '10.0.0.2')
    server.a('one.rag.internal', '10.0.0.1')
    server.a('two.rag.internal', '10.0.0.2')
    expect(addressesOf(await resolve())).toEqual(['10.0.0.1:8', '10.0.0.2:9'])
    server.says.set(`SRV ${SERVICE}`, failure)
    expect(addressesOf(await resolve())).toEqual(['10.0.0.1:8', '10.0.0.2:9'])
    // And again: what was remembered is remembered on.
    server.says.set('A two.rag.internal', failure)
    const { questions, ...rest } = await resolve()
    expect(addressesOf({ questions, ...rest })).toEqual(['10.0.0.1:8', '10.0.0.2:9'])
    expect(questions.filter(({ remembered }) => remembered).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['A', 'SRV']),
    )
  })

  it('is all there is where nothing was said before', async () => {
    const { server, addresses } = await names()
    server.says.set(`SRV ${SERVICE}`, 'silent')
    server.says.set(`AAAA ${API}`, 'servfail')
    server.a(API, '10.0.0.1')
    expect(await addresses()).toEqual(['10.0.0.1:7700'])
  })

  it('that says that a name is gone is believed', async () => {
    const { server, addresses } = await names()
    server.srv(SERVICE, { target: 'one.rag.internal', port: 8 }, { target: 'two.rag.internal', port: 9 })
    server.a('one.rag.internal', '10.0.0.1')
    server.a('two.rag.internal', '10.0.0.2')
    await addresses()
    server.says.set('A two.rag.internal', 'nxdomain')
    expect(await addresses()).toEqual(['10.0.0.1:8'])
    server.says.set('A two.rag.internal', 'servfail')
    expect(await addresses()).toEqual(['10.0.0.1:8'])
  })
})

describe('a hostile answer neither crashes nor hangs, and is left out', () => {
  it.each<[string, { target: string; port: number }[]]>([
    ['port 0', [{ target: 'one.rag.internal', port: 0 }]],
    ['no target', [{ target: '.', port: 7700 }]],
    ['a target that is the record itself', [{ target: SERVICE, port: 7700 }]],
    ['a target that does not exist', [{ target: 'nowhere.rag.internal', port: 7700 }]],
    ['a target with a path', [{ target: '../../etc/passwd', port: 7700 }]],
    ['a target with blanks and brackets', [{ target: '[::1]:80 \r\n x', port: 7700 }]],
    ['a target of one long label', [{ target: 'x'.repeat(63), port: 7700 }]],
    ['a target of letters beyond ASCII', [{ target: 'ä.☃.internal', port: 7700 }]],
    ['a target of NUL', [{ target: '\0\0', port: 7700 }]],
  ])('SRV with %s', async (_, services) => {
    const { server, addresses } = await names()
    server.srv(SERVICE, ...services)
    server.a(API, '10.0.0.1')
    server.says.set(`A ${SERVICE}`, [])
    const start = performance.now()
    expect(await addresses()).toEqual(['10.0.0.1:7700'])
    expect(performance.now() - start).toBeLessThan(2_500)
  })

  it('SRV with many targets: 64 are asked for', async () => {
    const { server, resolve } = await names()
    server.a(API, '10.0.0.1')
    const many = Array.from({ length: 500 }, (_, i) => ({ target: `t${i}.x`, port: 1 + i }))
    server.srv(SERVICE, ...many)
    const { ignored } = await resolve()
    expect(server.asked.filter((asked) => asked.startsWith('A t')).length).toBeLessThanOrEqual(64)
    expect(ignored).toContain('436 SRV records: more than 64')
  })

  it('addresses at which nobody can be called', async () => {
    const { server, resolve } = await names()
    server.a(API, '0.0.0.0', '255.255.255.255', '224.0.0.1', '10.0.0.1')
    server.aaaa(API, '::', 'ff02::1', '::ffff:0.0.0.0')
    const found = await resolve()
    expect(addressesOf(found)).toEqual(['10.0.0.1:7700'])
    expect(found.ignored).toHaveLength(6)
  })

  it.each<[string, Buffer]>([
    ['nothing but an id', Buffer.alloc(0)],
    ['a header that promises 65,535 answers', Buffer.from('8180ffffffffffffffff', 'hex')],
    ['a name that points at itself', Buffer.from('818000010001000000000c000c00010001c00c', 'hex')],
    ['zeroes', Buffer.alloc(500)],
    ['noise', Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 97) & 255))],
  ])('bytes: %s', async (_, bytes) => {
    const { server, resolve } = await names()
    for (const question of [`A ${API}`, `AAAA ${API}`, `SRV ${SERVICE}`]) server.says.set(question, bytes)
    const start = performance.now()
    const { addresses, error } = await resolve()
    expect(addresses).toEqual([])
    expect(error?.code).toBe('UNAVAILABLE')
    expect(performance.now() - start).toBeLessThan(2_500)
  })

  it('records of the wrong kind, name or length', async () => {
    const { server, addresses } = await names()
    const body = (answers: Parameters<typeof encode>[0]['answers']) =>
      encode({ type: 'response', flags: 0x400, questions: [{ type: 'A', name: API }], answers }).subarray(2)
    for (const says of [
      body([{ type: 'AAAA', name: API, data: '::1' }]),
      body([{ type: 'CNAME', name: API, data: API }]),
      body([{ type: 'TXT', name: API, data: '10.0.0.1' }]),
    ]) {
      server.says.set(`A ${API}`, says)
      expect(await addresses()).toEqual([])
    }
  })

  it.each(['', '.', '..', 'x'.repeat(300), 'a b', '\0', 'eu-west-1.\u2028', '%s%n'])(
    'a region named %j',
    async (region) => {
      const { discovery } = await names()
      expect(await discovery.resolve(region)).toMatchObject({ addresses: [], error: { code: 'UNAVAILABLE' } })
    },
  )
})
