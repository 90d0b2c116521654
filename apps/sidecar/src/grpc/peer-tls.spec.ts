import { once } from 'node:events'
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net'
import { connect } from 'node:tls'
import { create } from '@bufbuild/protobuf'
import { Server, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import type { Authority, Certificate } from '@perigee/certificates'
import { grpcServiceDefinition, Health, HealthCheckRequestSchema } from '@perigee/protocol'
import { pino } from 'pino'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { authorities, certificateFiles } from '../tls/certificates.spec-support.ts'
import { PeerClient } from './peer-client.ts'
import { serverCredentials } from './server-credentials.ts'

const REGION = 'eu-west-1'

let trusted: Authority
let other: Authority
beforeAll(async () => {
  ;({ trusted, other } = await authorities())
})

const named = (region: string, authority = trusted) =>
  authority.issue({ name: region, names: [`api.${region}.rag.internal`], use: 'server' })

/** A sidecar that demands certificates, on this address or the one given. */
async function peer(own: Certificate, port = 0) {
  const sidecar = new Server()
  sidecar.addService(grpcServiceDefinition(Health), {
    check: (_: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) =>
      reply(null, create(Health.method.check.output, { status: 1 })),
  })
  const certificates = certificateFiles(own, trusted.cert)
  const bound = await new Promise<number>((resolve, reject) =>
    sidecar.bindAsync(`127.0.0.1:${port}`, serverCredentials(certificates.files), (error, at) =>
      error ? reject(error) : resolve(at),
    ),
  )
  onTestFinished(() => sidecar.forceShutdown())
  return { ...certificates, sidecar, port: bound, address: `127.0.0.1:${bound}` }
}

/** Asks it, as another sidecar does. */
function asker(address: string, own: Certificate) {
  const { files, replace } = certificateFiles(own, trusted.cert)
  const lines: { msg: string; error: string }[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const client = new PeerClient({
    ...{ peers: new Map([[REGION, [address]]]), connectMs: 500, messageBytesMax: 1024 * 1024 },
    tls: (region) => ({ files, name: `api.${region}.rag.internal`, log }),
  })
  onTestFinished(() => client.stop())
  const ask = () =>
    client
      .call(REGION, Health.method.check, create(HealthCheckRequestSchema, {}), {
        deadlineMs: Date.now() + 700,
      })
      .then(
        () => 'answered',
        (error: Error) => error.name,
      )
  return { ask, replace, lines }
}

describe('a call to another sidecar by TLS', () => {
  it("is answered by who has a certificate for the region's name, whatever its address", async () => {
    const { address } = await peer(await named(REGION))
    expect(await asker(address, await named('us-east-1')).ask()).toBe('answered')
  })

  it("isn't made to who has one for another region's name, and the log says why", async () => {
    const { address } = await peer(await named('ap-southeast-1'))
    const { ask, lines } = asker(address, await named('us-east-1'))
    expect(await ask()).toBe('PeerUnreachable')
    expect(lines).toEqual([expect.objectContaining({ error: expect.stringContaining('altnames') })])
  })

  it("isn't made to who has one of another CA", async () => {
    const { address } = await peer(await named(REGION, other))
    expect(await asker(address, await named('us-east-1')).ask()).toBe('PeerUnreachable')
  })

  it('is refused with a certificate of another CA, which the log says, until the files hold a good one', async () => {
    const { address } = await peer(await named(REGION))
    const { ask, replace, lines } = asker(address, await named('us-east-1', other))
    expect(await ask()).toBe('PeerUnreachable')
    expect(lines.at(-1)?.error).toContain('may not take our certificate')
    await replace(await named('us-east-1'))
    await expect.poll(ask, { timeout: 3_000 }).toBe('answered')
  })

  it('goes on over its connection while the certificate of the other side is exchanged', async () => {
    const { address, replace } = await peer(await named(REGION))
    const { ask } = asker(address, await named('us-east-1'))
    expect(await ask()).toBe('answered')
    await replace(await named('ap-southeast-1'))
    expect(await ask()).toBe('answered')
    expect(await asker(address, await named('us-east-1')).ask()).toBe('PeerUnreachable')
  })
})

describe('a sidecar called by TLS whose handshakes are swallowed', () => {
  it('answers again soon after they go through, and no connection to it is left over', async () => {
    const { port } = await peer(await named(REGION))
    const door = { black: true }
    const sockets = new Set<Socket>()
    const server = createServer((client) => {
      sockets.add(client.on('error', () => {}).on('close', () => sockets.delete(client)))
      if (door.black) return void client.resume()
      const there = connectPlain(port, '127.0.0.1').on('error', () => {})
      client.pipe(there).pipe(client)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { ask } = asker(`127.0.0.1:${(server.address() as AddressInfo).port}`, await named('us-east-1'))
    expect(await ask()).toBe('PeerUnreachable')
    door.black = false
    await expect.poll(ask, { timeout: 5_000 }).toBe('answered')
    await expect.poll(() => sockets.size).toBe(1)
  })
})

describe('a server with TLS', () => {
  it("takes no session up again, in which nobody would look at the client's certificate any more", async () => {
    const { port } = await peer(await named(REGION))
    const own = await trusted.issue({ name: 'app', use: 'client', notAfter: new Date(Date.now() + 1_500) })
    const knock = (session?: Buffer) =>
      new Promise<{ readonly settings: boolean; readonly session: Buffer | undefined }>((resolve) => {
        let known: Buffer | undefined
        const options = {
          host: '127.0.0.1',
          port,
          ALPNProtocols: ['h2'],
          ca: trusted.cert,
          checkServerIdentity: () => undefined,
        }
        const socket = connect({ ...options, ...own, ...(session && { session }) })
        socket.on('session', (ticket) => {
          known = ticket
        })
        socket.on('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'))
        socket.on('data', () => {
          resolve({ settings: true, session: known })
          socket.destroy()
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve({ settings: false, session: known }))
      })
    const first = await knock()
    expect(first.settings).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(await knock()).toMatchObject({ settings: false })
    expect(await knock(first.session)).toMatchObject({ settings: false })
  })
})
