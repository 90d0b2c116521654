import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { decode, encode } from 'dns-packet'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { trueDns } from './dns-fault.ts'
import { DnsServer } from './dns-server.ts'
import { DnsView } from './dns-view.ts'

const view = new DnsView({
  domain: 'rag.internal',
  regions: [
    { name: 'us-east-1', sidecars: [{ host: '127.0.1.1', port: 7700 }] },
    {
      name: 'eu-west-1',
      sidecars: [
        { host: '127.0.1.102', port: 7700 },
        { host: '127.0.1.118', port: 7700 },
      ],
    },
  ],
})

describe('a DNS server', () => {
  let server: DnsServer
  const resolver = new Resolver()

  beforeAll(async () => {
    server = new DnsServer({ host: '127.0.0.1', port: 0 }, view)
    await server.listen()
    resolver.setServers([`127.0.0.1:${server.port}`])
  })
  afterAll(() => server.close())

  it("gives a region's own sidecars for its own name", async () => {
    expect(await resolver.resolve4('api.us-east-1.rag.internal')).toEqual(['127.0.1.1'])
  })

  it('gives the relays to every sidecar of another region, and a short time to live', async () => {
    const addresses = await resolver.resolve4('api.eu-west-1.rag.internal', { ttl: true })
    expect(addresses.map(({ address }) => address).sort()).toEqual(['127.0.1.102', '127.0.1.118'])
    expect(addresses.every(({ ttl }) => ttl >= 1 && ttl <= 5)).toBe(true)
  })

  it('gives the port by SRV', async () => {
    const services = await resolver.resolveSrv('_perigee._tcp.api.eu-west-1.rag.internal')
    expect(services).toMatchObject([{ name: 'api.eu-west-1.rag.internal', port: 7700 }])
  })

  it('ignores case', async () => {
    expect(await resolver.resolve4('API.US-East-1.RAG.internal')).toEqual(['127.0.1.1'])
  })

  it('says of a name it knows that it has no IPv6 address, and of others that they are unknown', async () => {
    await expect(resolver.resolve6('api.us-east-1.rag.internal')).rejects.toMatchObject({ code: 'ENODATA' })
    await expect(resolver.resolve4('api.mars-1.rag.internal')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  it('answers by TCP as well, also two questions in one piece', async () => {
    const socket = connect(server.port, '127.0.0.1')
    const query = (id: number) => {
      const packet = encode({
        type: 'query',
        id,
        questions: [{ type: 'A', name: 'api.us-east-1.rag.internal' }],
      })
      const length = Buffer.alloc(2)
      length.writeUInt16BE(packet.length)
      return Buffer.concat([length, packet])
    }
    socket.write(Buffer.concat([query(7), query(8)]))
    let data = Buffer.alloc(0)
    const ids: (number | undefined)[] = []
    while (ids.length < 2) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      data = Buffer.concat([data, chunk])
      while (data.length >= 2 && data.length >= 2 + data.readUInt16BE(0)) {
        const end = 2 + data.readUInt16BE(0)
        const answer = decode(data.subarray(2, end))
        data = data.subarray(end)
        ids.push(answer.id)
        expect(answer.answers).toMatchObject([{ type: 'A', data: '127.0.1.1' }])
      }
    }
    expect(ids).toEqual([7, 8])
    socket.destroy()
  })
})

describe('a spoiled DNS server', () => {
  const spoiled = new DnsView({
    domain: 'rag.internal',
    regions: ['a', 'b'].map((name) => ({ name, sidecars: [{ host: '127.0.0.1', port: 7700 }] })),
  })
  const server = new DnsServer({ host: '127.0.0.1', port: 0 }, spoiled)
  const resolver = new Resolver({ timeout: 100, tries: 1 })

  beforeAll(async () => {
    await server.listen()
    resolver.setServers([`127.0.0.1:${server.port}`])
  })
  afterEach(() => server.set('a', trueDns))
  afterAll(() => server.close())

  it.each([
    ['nxdomain', 'ENOTFOUND'],
    ['empty', 'ENODATA'],
    ['servfail', 'ESERVFAIL'],
    ['refused', 'EREFUSED'],
    ['silent', 'ETIMEOUT'],
    ['garbage', 'EBADRESP'],
  ] as const)('says %s for the one name, %s, until it is mended', async (mode, code) => {
    server.set('a', { mode })
    await expect(resolver.resolve4('api.a.rag.internal')).rejects.toMatchObject({ code })
    await expect(resolver.resolveSrv('_perigee._tcp.api.a.rag.internal')).rejects.toMatchObject({ code })
    expect(await resolver.resolve4('api.b.rag.internal')).toEqual(['127.0.0.1'])
    server.set('a', trueDns)
    expect(await resolver.resolve4('api.a.rag.internal')).toEqual(['127.0.0.1'])
  })

  it('gives other records, of both families, late', async () => {
    server.set('a', { addresses: ['10.0.0.1', '::1'], services: [{ port: 9, target: 'x.y' }], delayMs: 50 })
    const start = performance.now()
    expect(await resolver.resolve4('api.a.rag.internal')).toEqual(['10.0.0.1'])
    expect(performance.now() - start).toBeGreaterThanOrEqual(45)
    expect(await resolver.resolve6('api.a.rag.internal')).toEqual(['::1'])
    expect(await resolver.resolveSrv('_perigee._tcp.api.a.rag.internal')).toEqual([
      expect.objectContaining({ name: 'x.y', port: 9, priority: 0, weight: 0 }),
    ])
  })

  it('gives a thousand records, which go by TCP', async () => {
    const addresses = Array.from({ length: 1_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`)
    server.set('a', { addresses })
    expect((await resolver.resolve4('api.a.rag.internal')).sort()).toEqual(addresses.sort())
  })

  it('fails for what can not be written', async () => {
    server.set('a', { services: [{ port: 1, target: `${'x'.repeat(70)}.y` }] })
    await expect(resolver.resolveSrv('_perigee._tcp.api.a.rag.internal')).rejects.toThrow()
    server.set('a', { services: Array.from({ length: 2_000 }, (_, i) => ({ port: i })) })
    await expect(resolver.resolveSrv('_perigee._tcp.api.a.rag.internal')).rejects.toMatchObject({
      code: 'ESERVFAIL',
    })
    expect(await resolver.resolve4('api.a.rag.internal')).toEqual(['127.0.0.1'])
  })
})

describe('a DNS view', () => {
  it("doesn't answer what isn't a question", () => {
    expect(view.answer(Buffer.from('garbage'))).toBeUndefined()
    expect(view.answer(encode({ type: 'response', id: 1, questions: [] }))).toBeUndefined()
  })
})
