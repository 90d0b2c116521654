import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { gzipSync } from 'node:zlib'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  CacheService,
  type CallSchema,
  decodeStatusDetails,
  GetRequestSchema,
  MultiplexRequestSchema,
  MultiplexService,
  PeerService,
  SetRequestSchema,
  STATUS_DETAILS_KEY,
} from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../support/clients.ts'
import { answerOf, MultiplexClient } from '../support/multiplex-client.ts'
import { waitFor } from '../support/wait-for.ts'
import { message } from './raw-http2.ts'
import { type Damage, Siege } from './siege.ts'

const MIB = 1024 * 1024
const BYTES_PER_PEER_MAX = 32 * MIB
/** With what is garbage, and not collected yet on a machine that is busy: what is kept is counted by itself. */
const GROWN_MIB_MAX = BYTES_PER_PEER_MAX / MIB + 150
const STREAMS_MAX = 50
const ATTACKER = '127.0.0.77'
const LARGE = { namespace: 'siege', key: 'large' }
const MEDIUM = { namespace: 'siege', key: 'medium' }
const GET = `/${CacheService.typeName}/Get`
const MULTIPLEX = `/${MultiplexService.typeName}/Multiplex`
const get = message(toBinary(GetRequestSchema, create(GetRequestSchema, LARGE)))

let siege: Siege

beforeAll(async () => {
  siege = await Siege.start({
    PERIGEE_STALL_MS: '4000',
    PERIGEE_MESSAGE_MS: '3000',
    PERIGEE_MULTIPLEX_STREAMS_MAX: String(STREAMS_MAX),
    PERIGEE_BYTES_PER_PEER_MAX: String(BYTES_PER_PEER_MAX),
    PERIGEE_BYTES_IN_FLIGHT_MAX: String(4 * BYTES_PER_PEER_MAX),
  })
  using client = new RawClient(siege.address)
  await client.cache.set({ ...MEDIUM, value: new Uint8Array(20_000).fill(7) })
  await client.cache.set({ ...LARGE, value: new Uint8Array(MIB - 1000).fill(7) })
})

afterAll(() => siege?.[Symbol.asyncDispose]())

/** Connections of somebody who has all day. */
class SlowCaller implements Disposable {
  readonly #sessions: ClientHttp2Session[] = []

  /** Another connection. */
  session(settings = {}): ClientHttp2Session {
    const session = connect(`http://${siege.address}`, {
      // With less a client that has much to send resets calls whose answers come: before it has read them.
      maxSessionMemory: 10_000,
      settings,
      createConnection: () => connectTcp({ host: siege.host, port: siege.port, localAddress: ATTACKER }),
    })
    session.on('error', () => {})
    this.#sessions.push(session)
    return session
  }

  /** A call on it, whose answer isn't read. */
  open(session: ClientHttp2Session, path: string, headers = {}): ClientHttp2Stream {
    const request = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }
    const stream = session.request({ ...request, ...headers })
    stream.on('error', () => {})
    stream.pause()
    return stream
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions) session.destroy()
  }
}

const OVERLOADED = '8 OVERLOADED 200'

/** How gRPC said that a stream ended, with the reason and when to come back; or that it was broken off. */
function statusOf(stream: ClientHttp2Stream): Promise<string> {
  return new Promise((resolve) => {
    const tell = (headers: IncomingHttpHeaders) => {
      const { 'grpc-status': status, [STATUS_DETAILS_KEY]: details } = headers
      if (status === undefined) return
      const bytes = Buffer.from(typeof details === 'string' ? details : '', 'base64')
      const { reason, retryDelayMs } = decodeStatusDetails(bytes)
      resolve([status, reason, retryDelayMs].filter((part) => part !== undefined).join(' '))
    }
    stream.on('response', tell)
    stream.on('trailers', tell)
    stream.on('close', () => resolve('broken off'))
  })
}

function frameOfGets(count: number, value: typeof LARGE): Buffer {
  const calls: MessageInitShape<typeof CallSchema>[] = Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    request: { case: 'get', value },
    timeoutMs: 5000,
  }))
  return message(toBinary(MultiplexRequestSchema, create(MultiplexRequestSchema, { calls })))
}

/** Nobody else noticed, and no more was kept than may be. */
function expectBounded({ failures, grownMib, bytesInFlightMib }: Damage): void {
  expect(failures).toEqual([])
  expect(grownMib).toBeLessThan(GROWN_MIB_MAX)
  // What the other client has is its own.
  expect(bytesInFlightMib).toBeLessThan(BYTES_PER_PEER_MAX / MIB + 2)
}

describe('callers that never read', () => {
  it('on 1,000 Multiplex streams are closed, and take bounded memory', async () => {
    const statuses: string[] = []
    const damage = await siege.during(async () => {
      using caller = new SlowCaller()
      const ends: Promise<string>[] = []
      for (let i = 0; i < 20; i++) {
        // Not even what HTTP/2 takes by itself.
        const session = caller.session({ initialWindowSize: 0 })
        for (let j = 0; j < STREAMS_MAX; j++) {
          const stream = caller.open(session, MULTIPLEX)
          stream.write(frameOfGets(4, MEDIUM))
          ends.push(new Promise((resolve) => stream.on('close', () => resolve('closed'))))
        }
      }
      statuses.push(...(await Promise.all(ends)))
    })
    expect(statuses).toHaveLength(1000)
    expectBounded(damage)
  })

  it('of 100 unary answers of 1 MiB are closed, and take bounded memory', async () => {
    const damage = await siege.during(async () => {
      using caller = new SlowCaller()
      const session = caller.session()
      const ends = Array.from({ length: 100 }, () => {
        const stream = caller.open(session, GET)
        stream.end(get)
        return new Promise((resolve) => stream.on('close', resolve))
      })
      await Promise.all(ends)
    })
    expectBounded(damage)
  })

  it('of reflection are answered no faster than they read', async () => {
    const damage = await siege.during(async () => {
      using caller = new SlowCaller()
      const stream = caller.open(
        caller.session(),
        '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      )
      // file_containing_symbol: an answer of some 30 KB each.
      const name = Buffer.from('perigee.v1.SearchService')
      const ask = message(Buffer.concat([Buffer.from([0x22, name.length]), name]))
      const closed = new Promise((resolve) => stream.on('close', resolve))
      for (let i = 0; i < 200; i++) stream.write(Buffer.concat(Array.from({ length: 50 }, () => ask)))
      await closed
    })
    expectBounded(damage)
  })
})

describe('callers that send without end', () => {
  it('parts of 400 large messages are told OVERLOADED, and take bounded memory', async () => {
    const damage = await siege.during(async () => {
      using caller = new SlowCaller()
      const large = toBinary(
        SetRequestSchema,
        create(SetRequestSchema, { ...LARGE, value: new Uint8Array(MIB - 1000) }),
      )
      const part = message(large).subarray(0, MIB - 5000)
      const session = caller.session()
      const ends = Array.from({ length: 400 }, () => {
        const stream = caller.open(session, `/${CacheService.typeName}/Set`)
        stream.resume()
        stream.write(part)
        return statusOf(stream)
      })
      // Some are refused for want of room, and those that got in never came to an end.
      expect(new Set(await Promise.all(ends))).toEqual(new Set([OVERLOADED, '4']))
    })
    expectBounded(damage)
  })

  it('parts of 2,000 messages of sidecars, which have room of their own, take bounded memory all the same', async () => {
    const damage = await siege.during(async () => {
      using caller = new SlowCaller()
      const part = message(new Uint8Array(100_000)).subarray(0, 50_000)
      const session = caller.session()
      const ends = Array.from({ length: 2000 }, () => {
        const stream = caller.open(session, `/${PeerService.typeName}/GetRegion`)
        stream.resume()
        stream.write(part)
        return statusOf(stream)
      })
      expect(new Set(await Promise.all(ends))).toEqual(new Set([OVERLOADED, '4']))
    })
    const { failures, bytesInFlightMib } = damage
    expect(failures).toEqual([])
    expect(bytesInFlightMib).toBeLessThan(BYTES_PER_PEER_MAX / MIB + 10)
  })

  it('500 small gzips that each unpack to 4 MiB take bounded memory', async () => {
    const damage = await siege.during(async () => {
      using caller = new SlowCaller()
      const bomb = message(gzipSync(Buffer.alloc(4 * MIB - 5000)), { compressed: true })
      const session = caller.session()
      const ends = Array.from({ length: 500 }, () => {
        const stream = caller.open(session, GET, { 'grpc-encoding': 'gzip' })
        stream.resume()
        stream.end(bomb)
        return statusOf(stream)
      })
      // Garbage, once it is unpacked; or no room to do so.
      expect(new Set(await Promise.all(ends))).toEqual(new Set(['3 INVALID_FIELD', OVERLOADED]))
    })
    expectBounded(damage)
  })
})

describe('what there is no room for', () => {
  it('is OVERLOADED, with a time to wait, on a Multiplex stream too, and taken once there is', async () => {
    using client = new MultiplexClient(siege.address)
    client.pause()
    const calls = Array.from({ length: 60 }, () => ({
      request: { case: 'get' as const, value: LARGE },
      timeoutMs: 30_000,
    }))
    const replies = client.send({ calls })
    await new Promise((resolve) => setTimeout(resolve, 500))
    client.resume()
    const all = await Promise.race([Promise.all(replies), client.ended])
    if (!Array.isArray(all)) throw new Error(`it ended: ${all.message}`)
    const outcomes = all.map((reply) => {
      try {
        answerOf(reply)
        return 'answered'
      } catch (error) {
        const { status, details } = error as {
          status: string
          details: { reason?: string; retryDelayMs?: number }
        }
        return `${status} ${details.reason} ${details.retryDelayMs}`
      }
    })
    expect(new Set(outcomes)).toEqual(new Set(['answered', 'RESOURCE_EXHAUSTED OVERLOADED 200']))
    const again = await waitFor('room again', () => client.call({ request: { case: 'get', value: LARGE } }))
    expect(again).toBeDefined()
  })

  it('is a stream beyond those that a connection may have', async () => {
    using caller = new SlowCaller()
    const session = caller.session()
    const streams = Array.from({ length: STREAMS_MAX + 1 }, () => caller.open(session, MULTIPLEX))
    const last = streams.at(-1) as ClientHttp2Stream
    expect(await statusOf(last)).toBe(OVERLOADED)
    expect(streams.slice(0, -1).filter(({ closed }) => closed)).toEqual([])
  })
})

it('nothing of all that is kept once its callers are gone', async () => {
  // Of the clients that tests had, the last ones' connections close about now.
  await waitFor('all to be released', async () => (await siege.bytesInFlightMib()) === 0)
})
