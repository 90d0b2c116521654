import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { create } from '@bufbuild/protobuf'
import { CacheService, SetRequestSchema } from '@perigee/protocol'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Deadline } from './deadline.ts'
import { GrpcTransport } from './grpc-transport.ts'
import { MultiplexTransport } from './multiplex-transport.ts'
import type { PerigeeError } from './perigee-error.ts'
import { SmallSidecar } from './spec/small-sidecar.ts'
import { neverSent } from './verdict.ts'

/** A relay to an address, each way 40 ms long. Stalled, it swallows what comes back. */
async function farAway(target: string) {
  const relay = { stalled: false }
  const sockets = new Set<Socket>()
  const [host, port] = target.split(':')
  const server = createServer((client) => {
    const there = connect(Number(port), host)
    const later = (what: () => void) => setTimeout(what, 40)
    for (const [one, other] of [
      [client, there],
      [there, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('data', (data) => later(() => (one === there && relay.stalled) || other.write(data)))
      one.on('close', () => later(() => other.destroy()))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { ...{ relay, server }, address: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const TRANSPORTS = [GrpcTransport, MultiplexTransport]
type AnyTransport = (typeof TRANSPORTS)[number]

async function sidecarFarAway(Transport: AnyTransport) {
  const sidecar = await SmallSidecar.start('eu-west-1')
  const transport = new Transport()
  onTestFinished(async () => {
    transport.close()
    await sidecar.kill()
  })
  const { relay, address } = await farAway(sidecar.address)
  const endpoint = { region: 'eu-west-1', address }
  const set = (key: string, timeoutMs = 2_000) =>
    transport.unary(endpoint, CacheService.method.set, () => create(SetRequestSchema, { key }), {
      deadline: Deadline.in(timeoutMs),
      connectTimeoutMs: 500,
    })
  await set('first')
  return { sidecar, transport, endpoint, relay, set }
}

describe.each(TRANSPORTS)('a call to a sidecar that goes away, by $name,', (Transport) => {
  it('is done, or was certainly not taken', async () => {
    const { sidecar, set } = await sidecarFarAway(Transport)
    const errors: PerigeeError[] = []
    const done: string[] = []
    const calls: Promise<unknown>[] = []
    for (let i = 0; i < 100; i++) {
      const key = `k${i}`
      calls.push(
        set(key).then(
          () => done.push(key),
          (error) => errors.push(error),
        ),
      )
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (i === 40) sidecar.goAway()
    }
    await Promise.all(calls)
    const taken = sidecar.calls('Set').map((request) => (request as { key?: string }).key)
    expect(done.sort()).toEqual(taken.filter((key) => key !== 'first').sort())
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.filter((error) => !neverSent(error))).toEqual([])
  })
})

describe.each(TRANSPORTS)('a connection, by $name,', (Transport) => {
  it('hears a sidecar that has nothing to say, and not one that is cut off', async () => {
    const { transport, endpoint, relay } = await sidecarFarAway(Transport)
    const heard = () => transport.bytesHeard(endpoint) ?? Number.NaN
    const before = heard()
    await expect.poll(heard, { timeout: 3_000 }).toBeGreaterThan(before)
    relay.stalled = true
    await new Promise((resolve) => setTimeout(resolve, 100))
    const last = heard()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(heard()).toBe(last)
  })

  it('that is renewed lets the calls on the old one end', async () => {
    const { sidecar, transport, endpoint, set } = await sidecarFarAway(Transport)
    let answer = () => {}
    const waiting = new Promise<undefined>((resolve) => {
      answer = () => resolve(undefined)
    })
    sidecar.intercept = () => waiting
    const old = set('old')
    await expect.poll(() => sidecar.calls('Set').length).toBe(2)
    transport.renew(endpoint, true)
    expect(transport.bytesHeard(endpoint)).toBeUndefined()
    sidecar.intercept = () => undefined
    await set('new')
    answer()
    await expect(old).resolves.toBeDefined()
  })
})

describe.each(TRANSPORTS)('an address that is no longer in use, by $name,', (Transport) => {
  it('is never connected again', async () => {
    const { transport, endpoint, set } = await sidecarFarAway(Transport)
    transport.keepOnly([])
    const error = await set('a').catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(neverSent(error)).toBe(true)
    transport.keepOnly([endpoint])
    await expect(set('a')).resolves.toBeDefined()
  })
})

describe.each(TRANSPORTS)('a handshake that is swallowed, by $name,', (Transport) => {
  async function swallowing(Transport: AnyTransport) {
    const sidecar = await SmallSidecar.start('eu-west-1')
    const transport = new Transport()
    const sockets = new Set<Socket>()
    const door = { black: true }
    const server = createServer((client) => {
      sockets.add(client.on('error', () => {}))
      if (door.black) return void client.resume()
      const there = connect(sidecar.port, '127.0.0.1').on('error', () => {})
      client.pipe(there).pipe(client)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(async () => {
      transport.close()
      for (const socket of sockets) socket.destroy()
      server.close()
      await sidecar.kill()
    })
    const endpoint = { region: 'eu-west-1', address: `127.0.0.1:${(server.address() as AddressInfo).port}` }
    const set = (timeoutMs: number) =>
      transport.unary(endpoint, CacheService.method.set, () => create(SetRequestSchema, { key: 'a' }), {
        deadline: Deadline.in(timeoutMs),
        connectTimeoutMs: timeoutMs,
      })
    return { door, set, sockets }
  }

  it('is given up, and the next attempt makes a new connection', async () => {
    const { door, set, sockets } = await swallowing(Transport)
    await expect(set(1_000)).rejects.toThrow()
    const open = () => [...sockets].filter((socket) => !socket.closed).length
    await expect.poll(open).toBe(0)
    door.black = false
    await expect(set(1_000)).resolves.toBeDefined()
  })

  it('goes on for others when a call with little time ends', async () => {
    const { set, sockets } = await swallowing(Transport)
    await expect(set(30)).rejects.toThrow()
    await expect(set(30)).rejects.toThrow()
    // The one that went ahead, and the one that is still in its handshake.
    expect(sockets.size).toBe(2)
  })
})
