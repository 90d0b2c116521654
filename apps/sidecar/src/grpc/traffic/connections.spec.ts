import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { create, type Message } from '@bufbuild/protobuf'
import { Client, credentials, Metadata, Server, type ServiceError, status } from '@grpc/grpc-js'
import { DEFAULT_LIMITS } from '@perigee/core'
import {
  CacheService,
  decodeStatusDetails,
  type GetRequest,
  type GetResponse,
  GetResponseSchema,
  grpcServiceDefinition,
  SetResponseSchema,
  STATUS_DETAILS_KEY,
} from '@perigee/protocol'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import type { ServiceRegistration } from '../call.ts'
import { GrpcServer } from '../server.ts'
import { http2Servers } from './http2-servers.ts'
import { DEFAULT_TRAFFIC_LIMITS, type TrafficLimits } from './traffic-limits.ts'

/** A server of Get and Set with some limits. */
async function serve(
  traffic: Partial<TrafficLimits>,
  handlers: { get?: (request: GetRequest) => Promise<GetResponse>; set?: () => Promise<unknown> },
) {
  const logged: string[] = []
  const server = new GrpcServer({
    ...{ listen: '127.0.0.1:0', limits: DEFAULT_LIMITS, traffic: { ...DEFAULT_TRAFFIC_LIMITS, ...traffic } },
    log: pino({}, { write: (line: string) => logged.push(line) }),
  })
  server.add({ service: CacheService, handlers: handlers as ServiceRegistration['handlers'] })
  const port = await server.start()
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  onTestFinished(async () => {
    client.close()
    await server.drain(200)
  })
  return { server, port, client, logged }
}

function call(
  client: Client,
  method: 'get' | 'set',
  init: { readonly key?: string } = {},
): Promise<ServiceError | undefined> {
  const { path, requestSerialize, responseDeserialize } = grpcServiceDefinition(CacheService)[method]
  const request = create(CacheService.method[method].input, init)
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      requestSerialize as (message: Message) => Buffer,
      responseDeserialize as (bytes: Buffer) => unknown,
      request,
      new Metadata(),
      { deadline: Date.now() + 10_000 },
      (error) => resolve(error ?? undefined),
    )
  })
}

function toldOf(error: ServiceError | undefined) {
  const bytes = error?.metadata.get(STATUS_DETAILS_KEY)[0]
  const details = bytes instanceof Buffer ? decodeStatusDetails(bytes) : {}
  return { code: error?.code ?? status.OK, reason: details.reason, waitMs: details.retryDelayMs }
}

const OVERLOADED = { code: status.RESOURCE_EXHAUSTED, reason: 'OVERLOADED', waitMs: 200 }

it('takes so many connections in all, and another when one has gone', async () => {
  const { port, server } = await serve({ connectionsMax: 3 }, {})
  const open = () => connectTcp(port, '127.0.0.1').on('error', () => {})
  const sockets: Socket[] = [open(), open(), open()]
  await expect.poll(() => server.connections.size).toBe(3)
  const fourth = open()
  await once(fourth, 'close')
  expect(server.connections.size).toBe(3)
  sockets[0]?.destroy()
  await expect.poll(() => server.connections.size).toBe(2)
  sockets.push(open())
  await expect.poll(() => server.connections.size).toBe(3)
  for (const socket of sockets) socket.destroy()
})

it('lets one address have so many calls at once', async () => {
  const release = Promise.withResolvers<void>()
  const get = () => release.promise.then(() => create(GetResponseSchema))
  const { client, server } = await serve({ callsPerPeerMax: 2 }, { get })
  const two = [call(client, 'get'), call(client, 'get')]
  await expect.poll(() => server.callsInFlight).toBe(2)
  expect(toldOf(await call(client, 'get'))).toEqual(OVERLOADED)
  release.resolve()
  expect(await Promise.all(two)).toEqual([undefined, undefined])
  expect(toldOf(await call(client, 'get')).code).toBe(status.OK)
})

it('lets a principal make so many calls a second, and says when the next may come', async () => {
  const get = async () => create(GetResponseSchema)
  const { client } = await serve({ callsPerSecondMax: 1, callsBurstMax: 2 }, { get })
  expect(await call(client, 'get')).toBeUndefined()
  expect(await call(client, 'get')).toBeUndefined()
  const { code, reason, waitMs } = toldOf(await call(client, 'get'))
  expect([code, reason]).toEqual([OVERLOADED.code, OVERLOADED.reason])
  expect(waitMs).toBeGreaterThan(500)
})

it('refuses an answer that there is no room for, though not that of a write, which was done', async () => {
  const limits = { bytesPerPeerMax: 100_000, bytesInFlightMax: 200_000 }
  const value = new Uint8Array(150_000)
  const { client, server } = await serve(limits, {
    get: async () => create(GetResponseSchema, { entry: { value } }),
    set: async () => create(SetResponseSchema, { version: 'v'.repeat(150_000) }),
  })
  expect(toldOf(await call(client, 'get'))).toEqual(OVERLOADED)
  expect(toldOf(await call(client, 'set')).code).toBe(status.OK)
  // Whatever became of them, nothing of them is kept.
  await expect.poll(() => server.connections.bytesInFlight).toBe(0)
})

it('keeps nothing of connections that are gone', async () => {
  const get = async () => create(GetResponseSchema, { entry: { value: new Uint8Array(1000) } })
  const { client, server } = await serve({}, { get })
  await Promise.all(Array.from({ length: 100 }, () => call(client, 'get', { key: 'k'.repeat(500) })))
  client.close()
  await expect.poll(() => [server.connections.size, server.connections.bytesInFlight]).toEqual([0, 0])
})

it('gives callers as much time as it stood still itself', async () => {
  const { port, server } = await serve({ firstCallMs: 500 }, {})
  const socket = connectTcp(port, '127.0.0.1').resume()
  await expect.poll(() => server.connections.size).toBe(1)
  // This thread is the server's too.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3500)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(server.connections.size).toBe(1)
  await once(socket, 'close')
  expect(server.connections.size).toBe(0)
})

it('closes connections of an age when their calls are answered, and fails none of them', async () => {
  const sockets: Socket[] = []
  const onSocket = (message: unknown) => void sockets.push((message as { socket: Socket }).socket)
  subscribe('net.server.socket', onSocket)
  onTestFinished(() => void unsubscribe('net.server.socket', onSocket))
  const get = async () => {
    await new Promise((resolve) => setTimeout(resolve, 40))
    return create(GetResponseSchema)
  }
  const { client, server } = await serve({ connectionAgeMs: 200, connectionAgeGraceMs: 10_000 }, { get })
  const failures: unknown[] = []
  const untilMs = performance.now() + 2000
  const caller = async () => {
    while (performance.now() < untilMs || sockets.length < 4) {
      const error = await call(client, 'get')
      if (error) failures.push(error)
    }
  }
  await Promise.all(Array.from({ length: 20 }, caller))
  expect(failures).toEqual([])
  await expect.poll(() => server.connections.size).toBeLessThanOrEqual(1)
})

it('ends what is still under way on a connection of an age when its time is over', async () => {
  const get = () => new Promise<GetResponse>(() => {})
  const { client } = await serve({ connectionAgeMs: 100, connectionAgeGraceMs: 300 }, { get })
  const startedMs = performance.now()
  expect(await call(client, 'get')).toMatchObject({ code: status.UNAVAILABLE })
  expect(performance.now() - startedMs).toBeGreaterThan(350)
})

it('says in the log what was turned away', async () => {
  const { port, logged } = await serve({ firstCallMs: 100 }, {})
  const socket = connectTcp(port, '127.0.0.1').resume()
  await once(socket, 'close')
  await expect.poll(() => logged.join(), { timeout: 15_000 }).toContain('"withoutCallOrStuck":1')
})

it('does not go without limits when grpc-js hides its HTTP/2 servers', () => {
  expect(() => http2Servers(new Server())).toThrow('no limit can be set')
})
