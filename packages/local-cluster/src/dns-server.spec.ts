import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { decode, encode } from 'dns-packet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

describe('a DNS view', () => {
  it("doesn't answer what isn't a question", () => {
    expect(view.answer(Buffer.from('garbage'))).toBeUndefined()
    expect(view.answer(encode({ type: 'response', id: 1, questions: [] }))).toBeUndefined()
  })
})
