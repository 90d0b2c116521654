import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { create, type Message } from '@bufbuild/protobuf'
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { DEFAULT_LIMITS } from '@perigee/core'
import {
  type ForwardManyRequest,
  type ForwardRequest,
  ForwardRequestSchema,
  ForwardResponseSchema,
  grpcServiceDefinition,
  PeerService,
} from '@perigee/protocol'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { withForwardMany } from '../multiplex/forward-many.ts'
import { type Access, OPEN_ACCESS } from '../security/access.ts'
import type { CallContext } from './call.ts'
import { PeerClient } from './peer-client.ts'
import { GrpcServer } from './server.ts'
import { DEFAULT_TRAFFIC_LIMITS, type TrafficLimits } from './traffic/traffic-limits.ts'

export const REGION = 'eu-west-1'
/** No answer. */
export const never = () => new Promise<never>(() => {})

type Handle = (request: ForwardRequest, call: CallContext) => Promise<Uint8Array>

/** A sidecar that forwarded calls come to, behind a relay that can break connections. */
export async function peer({
  access = OPEN_ACCESS,
  messageBytesMax = DEFAULT_LIMITS.messageBytesMax,
  traffic = {},
}: {
  access?: Access
  messageBytesMax?: number
  traffic?: Partial<TrafficLimits>
} = {}) {
  const limits = { ...DEFAULT_LIMITS, messageBytesMax }
  const ended: string[] = []
  const server = new GrpcServer({
    ...{ listen: '127.0.0.1:0', limits, log: pino({ level: 'silent' }), access },
    traffic: { ...DEFAULT_TRAFFIC_LIMITS, ...traffic },
    observer: { callEnded: (method, name) => ended.push(`${method.split('/')[1]} ${name}`) },
  })
  const me = { ended, server, handle: (async ({ request }) => request) as Handle }
  const forward = async (request: ForwardRequest, call: CallContext) =>
    create(ForwardResponseSchema, { response: await me.handle(request, call) })
  const registration = { service: PeerService, handlers: { forward: forward as never } }
  // What is forwarded is in no group of Gets or Sets.
  const groups = { reader: undefined as never, writer: undefined as never }
  server.add(withForwardMany(registration, { ...groups, limits, defaultTtlMs: 0 }))
  const door = await relay(await server.start())
  onTestFinished(() => server.drain(0))
  return Object.assign(me, door)
}

/** A peer of grpc-js alone, which reads and writes frames by protobuf-es, for what a sidecar of today doesn't do. */
export async function plainPeer(
  forwardMany?: (stream: ServerDuplexStream<ForwardManyRequest, Message>) => void,
) {
  const server = new Server()
  const { forward, forwardMany: many } = grpcServiceDefinition(PeerService)
  const unary: number[] = []
  server.addService(forwardMany ? { forward, forwardMany: many } : { forward }, {
    forward: ({ request }: ServerUnaryCall<ForwardRequest, Message>, reply: sendUnaryData<Message>) => {
      unary.push(request.request.length)
      reply(null, create(ForwardResponseSchema, { response: request.request }))
    },
    ...(forwardMany && { forwardMany }),
  })
  const port = await new Promise<number>((resolve) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
  )
  onTestFinished(() => server.forceShutdown())
  return { address: `127.0.0.1:${port}`, unary }
}

async function relay(port: number) {
  const sockets = new Set<Socket>()
  const door = createServer((client) => {
    const there = connect(port, '127.0.0.1')
    for (const socket of [client, there]) sockets.add(socket.on('error', () => {}))
    client.pipe(there).pipe(client)
    client.on('close', () => there.destroy())
    there.on('close', () => client.destroy())
  }).listen(0, '127.0.0.1')
  await once(door, 'listening')
  const breakOff = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  onTestFinished(() => {
    breakOff()
    door.close()
  })
  return { address: `127.0.0.1:${(door.address() as AddressInfo).port}`, breakOff }
}

/** A sidecar that passes calls on, whose answers are what was asked. */
export function forwarder(
  addresses: readonly string[],
  token?: () => string,
  messageBytesMax = DEFAULT_LIMITS.messageBytesMax,
) {
  const client = new PeerClient({
    peers: new Map([[REGION, addresses]]),
    connectMs: 1_000,
    messageBytesMax,
    ...(token && { token }),
  })
  onTestFinished(() => client.stop())
  const forward = async (
    text: string | Uint8Array,
    { timeoutMs = 5_000, signal = anySignal() }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ) => {
    const request = create(ForwardRequestSchema, { method: 'any', request: Buffer.from(text) })
    const demand = { deadlineMs: Date.now() + timeoutMs, signal }
    return Buffer.from((await client.forward(REGION, request, demand)).response).toString()
  }
  return { client, forward }
}

const anySignal = () => new AbortController().signal

/** What a call fails with. */
export const failed = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: Error) => error,
  )
