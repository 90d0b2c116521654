import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { create, type Message } from '@bufbuild/protobuf'
import { Metadata, Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import {
  encodeStatusDetails,
  grpcServiceDefinition,
  Health,
  HealthCheckRequestSchema,
  STATUS_DETAILS_KEY,
} from '@perigee/protocol'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PeerClient } from './peer-client.ts'
import { PeerUnreachable } from './peer-error.ts'

const REGION = 'eu-west-1'

/** A sidecar behind a door that, while it is black, takes connections and never says a word. */
async function peer() {
  const sidecar = new Server()
  const failure: { error?: { code: number; details: string; metadata?: Metadata } } = {}
  sidecar.addService(grpcServiceDefinition(Health), {
    check: (_: ServerUnaryCall<Message, Message>, reply: sendUnaryData<Message>) =>
      failure.error ? reply(failure.error) : reply(null, create(Health.method.check.output, { status: 1 })),
  })
  const port = await new Promise<number>((resolve, reject) =>
    sidecar.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  const sockets = new Set<Socket>()
  const door = { black: false }
  const server = createServer((client) => {
    sockets.add(client.on('error', () => {}))
    if (door.black) return void client.resume()
    const there = connect(port, '127.0.0.1').on('error', () => {})
    client.pipe(there).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = new PeerClient({
    peers: new Map([[REGION, [address]]]),
    connectMs: 100,
    messageBytesMax: 1024 * 1024,
  })
  onTestFinished(() => {
    client.stop()
    for (const socket of sockets) socket.destroy()
    server.close()
    sidecar.forceShutdown()
  })
  const ask = () =>
    client.call(REGION, Health.method.check, create(HealthCheckRequestSchema, {}), {
      deadlineMs: Date.now() + 1_000,
    })
  return { door, sockets, ask, failure }
}

describe('a peer', () => {
  it('answers again soon after handshakes with it were swallowed', async () => {
    const { door, sockets, ask } = await peer()
    door.black = true
    await expect(ask()).rejects.toThrow(PeerUnreachable)
    door.black = false
    const answered = () =>
      ask().then(
        () => true,
        () => false,
      )
    await expect.poll(answered, { timeout: 3_000 }).toBe(true)
    expect([...sockets].filter((socket) => !socket.destroyed)).toHaveLength(1)
  })

  it.each([
    'Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2',
    'Session closed with error code 2',
  ])('whose connection was ended did not answer: %s', async (details) => {
    const { ask, failure } = await peer()
    failure.error = { code: 13, details }
    await expect(ask()).rejects.toMatchObject({ name: 'PeerUnreachable', sent: true })
  })

  it.each([
    ['UNAUTHENTICATED', 16],
    ['NOT_ALLOWED', 7],
  ] as const)(
    'that refuses this sidecar did nothing, and callers are told no %s of theirs',
    async (reason, code) => {
      const { ask, failure } = await peer()
      const metadata = new Metadata()
      metadata.set(STATUS_DETAILS_KEY, Buffer.from(encodeStatusDetails(code, 'no', { reason })))
      failure.error = { code, details: 'no', metadata }
      await expect(ask()).rejects.toMatchObject({
        ...{ name: 'PeerUnreachable', sent: false },
        message: expect.stringContaining('PERIGEE_PEER_TOKEN_FILE'),
      })
    },
  )
})
