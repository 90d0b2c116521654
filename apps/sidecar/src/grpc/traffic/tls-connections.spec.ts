import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { Client, credentials } from '@grpc/grpc-js'
import { DEFAULT_LIMITS } from '@perigee/core'
import { Health } from '@perigee/protocol'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { authorities, certificateFiles } from '../../tls/certificates.spec-support.ts'
import { GrpcServer } from '../server.ts'
import { DEFAULT_TRAFFIC_LIMITS } from './traffic-limits.ts'

it('connections by TLS are counted from before their handshake until they are closed, and closed in time', async () => {
  const { trusted } = await authorities()
  const own = await trusted.issue({ name: 'us-east-1', names: ['localhost'], use: 'server' })
  const { files } = certificateFiles(own, trusted.cert)
  const limits = { ...DEFAULT_TRAFFIC_LIMITS, firstCallMs: 1000, connectionsPerPeerMax: 5 }
  const server = new GrpcServer({
    ...{ listen: '127.0.0.1:0', limits: DEFAULT_LIMITS, traffic: limits, log: pino({ enabled: false }) },
    tls: files,
  })
  const port = await server.start()
  onTestFinished(() => server.drain(200))

  const ask = async () => {
    const shown = [own.cert, own.key].map((pem) => Buffer.from(pem)) as [Buffer, Buffer]
    const secure = credentials.createSsl(Buffer.from(trusted.cert), shown[1], shown[0])
    const client = new Client(`127.0.0.1:${port}`, secure, {
      'grpc.ssl_target_name_override': 'localhost',
      'grpc.use_local_subchannel_pool': 1,
    })
    const { typeName } = Health
    await new Promise<void>((resolve, reject) => {
      const none = () => Buffer.alloc(0)
      client.makeUnaryRequest(
        `/${typeName}/Check`,
        none,
        (bytes: Buffer) => bytes,
        {},
        (error) => (error ? reject(error) : resolve()),
      )
    })
    expect(server.connections.size).toBe(1)
    client.close()
    await expect.poll(() => server.connections.size).toBe(0)
  }
  // More than there may be at once, one after another.
  for (let i = 0; i < 8; i++) await ask()

  const silent = Array.from({ length: 5 }, () => connectTcp(port, '127.0.0.1').resume())
  await expect.poll(() => server.connections.size).toBe(5)
  await once(connectTcp(port, '127.0.0.1').resume(), 'close')
  await Promise.all(silent.map((socket) => once(socket, 'close')))
  await expect.poll(() => server.connections.size).toBe(0)
  await ask()
})
