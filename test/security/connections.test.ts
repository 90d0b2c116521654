import { setTimeout as pause } from 'node:timers/promises'
import { create, toBinary } from '@bufbuild/protobuf'
import { CacheService, GetRequestSchema } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import {
  callHeaders,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  headerBlock,
  message,
  RawConnection,
} from './raw-http2.ts'
import { Siege } from './siege.ts'

const GROWN_MIB_MAX = 50
const FIRST_CALL_MS = 2000
const PER_PEER_MAX = 200
/** From which nobody else calls. */
const ATTACKER = '127.0.0.66'
const GET = `/${CacheService.typeName}/Get`
const get = toBinary(GetRequestSchema, create(GetRequestSchema, { namespace: 'siege', key: 'kept' }))

let siege: Siege

beforeAll(async () => {
  siege = await Siege.start({
    PERIGEE_FIRST_CALL_MS: String(FIRST_CALL_MS),
    PERIGEE_MESSAGE_MS: '2000',
    PERIGEE_CONNECTIONS_PER_PEER_MAX: String(PER_PEER_MAX),
  })
})

afterAll(() => siege?.[Symbol.asyncDispose]())

function open(from = ATTACKER): RawConnection {
  return new RawConnection({ host: siege.host, port: siege.port, from })
}

/** A connection on which one call was answered. */
async function used(): Promise<RawConnection> {
  const connection = open()
  connection.greet()
  connection.write(frame(FRAME.headers, END_HEADERS, 1, callHeaders(GET)))
  connection.write(frame(FRAME.data, END_STREAM, 1, message(get)))
  const greeting = 100
  await waitFor('the answer', () => connection.received > greeting)
  return connection
}

describe('connections that ask for nothing', () => {
  it.each([
    ['send nothing', () => {}],
    ['send their preface alone', (connection: RawConnection) => connection.greet()],
    [
      'send a byte a second',
      (connection: RawConnection) => {
        const bytes = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
        for (const [i, byte] of bytes.entries()) {
          setTimeout(() => connection.write(Buffer.from([byte])), 1000 * i).unref()
        }
      },
    ],
  ])('and %s are closed in time', async (_, begin) => {
    const closedAfterMs: number[] = []
    const { failures } = await siege.during(async () => {
      const openedMs = performance.now()
      const connections = Array.from({ length: 50 }, () => open())
      for (const connection of connections) begin(connection)
      await Promise.all(connections.map(({ closed }) => closed))
      closedAfterMs.push(...connections.map(({ closedAtMs = 0 }) => closedAtMs - openedMs))
    })
    // None before its time, all soon after.
    expect(Math.min(...closedAfterMs)).toBeGreaterThan(FIRST_CALL_MS - 100)
    expect(Math.max(...closedAfterMs)).toBeLessThan(FIRST_CALL_MS + 2000)
    expect(failures).toEqual([])
  })

  it('are 10,000, and take bounded memory, and no place of anybody else', async () => {
    let openAtOnce = 0
    const damage = await siege.during(async () => {
      const connections: RawConnection[] = []
      for (let i = 0; i < 10_000; i++) {
        const connection = open()
        connection.greet()
        connections.push(connection)
        if (i % 200 === 199) await pause(20)
        if (i % 1000 === 999) {
          const opened = connections.filter(({ closedAtMs, received }) => !closedAtMs && received > 0)
          openAtOnce = Math.max(openAtOnce, opened.length)
        }
      }
      await Promise.all(connections.map(({ closed }) => closed))
    })
    expect(openAtOnce).toBeGreaterThan(PER_PEER_MAX / 2)
    expect(openAtOnce).toBeLessThanOrEqual(PER_PEER_MAX)
    expect(damage.failures).toEqual([])
    expect(damage.grownMib).toBeLessThan(GROWN_MIB_MAX)
  })

  it('a connection that has called is left open', async () => {
    using connection = await used()
    await pause(FIRST_CALL_MS + 1500)
    expect(connection.closedAtMs).toBeUndefined()
  })
})

describe('a call whose message never ends', () => {
  it('is given up, though a byte of it comes now and then', async () => {
    const { failures } = await siege.during(async () => {
      using connection = open()
      connection.greet()
      connection.write(frame(FRAME.headers, END_HEADERS, 1, callHeaders(GET)))
      connection.write(frame(FRAME.data, 0, 1, message(get.subarray(0, 1), { claimed: get.length })))
      const before = await waitFor('the greeting', () => connection.received)
      const drip = setInterval(() => connection.write(frame(FRAME.data, 0, 1, get.subarray(1, 2))), 1000)
      try {
        await waitFor('its end', () => connection.received > before, { timeoutMs: 5000 })
      } finally {
        clearInterval(drip)
      }
    })
    expect(failures).toEqual([])
  })
})

describe('floods on one connection', () => {
  it('of resets end it', async () => {
    const damage = await siege.during(async () => {
      using connection = open()
      connection.greet()
      const headers = callHeaders(GET)
      let taken = true
      for (let stream = 1; taken && stream < 200_000; stream += 2) {
        const reset = Buffer.from([0, 0, 0, 8])
        taken = await connection.writeWhenRead(
          Buffer.concat([
            frame(FRAME.headers, END_HEADERS, stream, headers),
            frame(FRAME.resetStream, 0, stream, reset),
          ]),
        )
        if (stream % 1001 === 0) await pause(1)
      }
      await connection.closed
    })
    expect(damage.failures).toEqual([])
    expect(damage.keptMib).toBeLessThan(GROWN_MIB_MAX)
  })

  it.each([
    ['CONTINUATION', frame(FRAME.continuation, 0, 1, headerBlock({ 'x-more': 'v'.repeat(100) }))],
    ['PING', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', frame(FRAME.settings, 0, 0, Buffer.alloc(0))],
  ])('of %s frames by one who reads nothing end it', async (kind, flood) => {
    const damage = await siege.during(async () => {
      using connection = open()
      connection.greet()
      connection.readNothing()
      if (kind === 'CONTINUATION') connection.write(frame(FRAME.headers, 0, 1, callHeaders(GET)))
      const many = Buffer.concat(Array.from({ length: 100 }, () => flood))
      let taken = true
      for (let i = 0; taken && i < 20_000; i++) taken = await connection.writeWhenRead(many)
      await connection.closed
    })
    expect(damage.failures).toEqual([])
    expect(damage.grownMib).toBeLessThan(GROWN_MIB_MAX)
  })

  it('of garbage end it', async () => {
    const damage = await siege.during(async () => {
      for (let i = 0; i < 100; i++) {
        using connection = open()
        if (i % 2 === 0) connection.greet()
        connection.write(Buffer.from(Array.from({ length: 2000 }, (_, j) => (i * 31 + j * j * 7) % 256)))
        await connection.closed
      }
    })
    expect(damage.failures).toEqual([])
    expect(damage.keptMib).toBeLessThan(GROWN_MIB_MAX)
  })
})

describe('the HTTP port', () => {
  it('closes connections that ask for nothing or too slowly, and answers others', async () => {
    const [host, port] = new URL(siege.http).host.split(':') as [string, string]
    const connections = Array.from({ length: 300 }, (_, i) => {
      const connection = new RawConnection({ host, port: Number(port), from: ATTACKER })
      if (i % 2 === 0) connection.write('GET /livez HTTP/1.1\r\n')
      return connection
    })
    expect((await fetch(`${siege.http}/livez`)).status).toBe(200)
    await Promise.all(connections.map(({ closed }) => closed))
    expect((await fetch(`${siege.http}/livez`)).status).toBe(200)
  })
})
