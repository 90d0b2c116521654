import { once } from 'node:events'
import { connect } from 'node:http2'
import { create } from '@bufbuild/protobuf'
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js'
import { DEFAULT_LIMITS, decodeToken, formatPosition } from '@perigee/core'
import {
  CacheService,
  type GetRequest,
  GetResponseSchema,
  grpcServiceDefinition,
  MultiplexRequestSchema,
  type MultiplexResponse,
  MultiplexService,
  type Reply,
  SetResponseSchema,
} from '@perigee/protocol'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CallContext, ServiceRegistration } from '../grpc/call.ts'
import { GrpcServer } from '../grpc/server.ts'
import { type ClaimedRedis, soon, startClaimedRedis } from '../primary/claimed-redis.spec-support.ts'
import { SetEach } from '../primary/set-each.ts'
import type { StoredEntry } from '../redis/entry-codec.ts'
import { HistoryReader } from '../redis/history.ts'
import { OPEN_ACCESS } from '../security/access.ts'
import type { ClaimTeller } from '../services/newest-history.ts'
import { NewestHistory } from '../services/newest-history.ts'
import { OwnState } from '../services/own-state.ts'
import { GroupReader } from './get-group.ts'
import { multiplexedMethods } from './methods.ts'
import { createMultiplexService } from './multiplex-service.ts'
import { GroupWriter } from './set-group.ts'

let redis: ClaimedRedis
let server: GrpcServer
let client: Client
let stream: ClientDuplexStream<unknown, MultiplexResponse>
let ended: string[]
let replies: Reply[]
let draining: boolean
let streamEnd: Promise<StatusObject>
/** What the other regions tell of claims. */
let tell: (epoch: number, forks: Record<string, bigint>) => void
/** Answers what isn't answered from a group. */
let handle: (request: GetRequest, call: CallContext) => Promise<unknown>
/** Whether this region takes writes. */
let takesWrites: boolean
let inGate: () => number
let port: number

beforeAll(async () => {
  redis = await startClaimedRedis()
  const entry = (key: string) => ({ key, value: Buffer.from(key), contentType: '' })
  await redis.writer.setEntries('n', ['a', 'b'].map(entry), soon())
})

afterAll(() => redis?.[Symbol.asyncDispose]())

beforeEach(async () => {
  ended = []
  replies = []
  draining = false
  handle = async ({ key }) => create(GetResponseSchema, { entry: { key, contentType: 'handled' } })
  const { data } = redis
  let newest: ClaimTeller['newest']
  const listeners: (() => void)[] = []
  const teller: ClaimTeller = {
    get newest() {
      return newest
    },
    onAnswer: (listener) => listeners.push(listener),
  }
  tell = (epoch, forks) => {
    newest = { history: { epoch: BigInt(epoch), forks } } as never
    for (const listener of listeners) listener()
  }
  const ownState = new OwnState({
    primary: { own: 'here', isHere: true },
    ...{ data, stalenessMs: () => undefined, newestHistory: new NewestHistory([teller]) },
  })
  const { connection, keys, redisTime, library, claim } = redis
  const history = new HistoryReader({ connection, keys })
  const setEach = new SetEach({ library, keys, history, redisTime })
  const here = async () => {
    const { epoch } = claim
    const position = await data.clock({ primary: true })
    return epoch && takesWrites
      ? { epoch, state: { position, ...(await data.history(position)) } }
      : undefined
  }
  takesWrites = true
  const writer = new GroupWriter({ primary: { own: 'here' }, writePath: { here, done: () => {} }, setEach })
  const cache = {
    service: CacheService,
    handlers: {
      get: (...call: Parameters<typeof handle>) => handle(...call),
      set: async () => create(SetResponseSchema, { version: 'handled' }),
    } as unknown as ServiceRegistration['handlers'],
  }
  server = new GrpcServer({
    listen: '127.0.0.1:0',
    limits: DEFAULT_LIMITS,
    log: pino({ level: 'silent' }),
    observer: { callEnded: (method, name) => ended.push(`${method.split('/')[1]} ${name}`) },
    access: { ...OPEN_ACCESS, identify: () => ({ principal: { name: 'alice', kind: 'token' } }) },
    unaryDeadlineMs: 400,
  })
  inGate = () => server.callsInFlight
  server.add(
    createMultiplexService({
      methods: multiplexedMethods([cache]),
      reader: new GroupReader({ data, ownState }),
      writer,
      ...{ limits: DEFAULT_LIMITS, defaultTtlMs: 0 },
    }),
  )
  port = await server.start()
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const { path, requestSerialize, responseDeserialize } = grpcServiceDefinition(MultiplexService).multiplex
  stream = client.makeBidiStreamRequest(path, requestSerialize as never, responseDeserialize, new Metadata())
  stream.on('data', (frame: MultiplexResponse) => {
    replies.push(...frame.replies)
    draining ||= frame.draining
  })
  stream.on('error', () => {})
  streamEnd = new Promise((resolve) => stream.on('status', resolve))
})

afterEach(async () => {
  stream.cancel()
  client.close()
  await server.drain(100)
})

async function entriesOf(...keys: string[]): Promise<(StoredEntry | undefined)[]> {
  const asked = { primary: false, bytesMax: Number.MAX_SAFE_INTEGER }
  return (await redis.data.readEntries('n', keys, asked)).entries as (StoredEntry | undefined)[]
}

type Asked = { id: number; key?: string; timeoutMs?: number; session?: number; options?: object }

function send(asked: readonly Asked[], more: { cancels?: number[]; sessionTokens?: Uint8Array[] } = {}) {
  const calls = asked.map(({ key = 'a', options, ...call }) => ({
    ...call,
    request: { case: 'get' as const, value: { namespace: 'n', key, ...(options && { options }) } },
  }))
  stream.write(create(MultiplexRequestSchema, { calls, ...more }))
}

/** Makes the call's handler wait; gives its context, and what lets it answer. */
function heldBack() {
  const entered = Promise.withResolvers<CallContext>()
  const release = Promise.withResolvers<void>()
  handle = async ({ key }, call) => {
    entered.resolve(call)
    await release.promise
    return create(GetResponseSchema, { entry: { key, contentType: 'handled' } })
  }
  return { entered: entered.promise, release: release.resolve }
}

/** Goes to the handler: a Get with options of its own. */
const alone = { options: { maxWait: { seconds: 1n, nanos: 0 } } }

const replyOf = (id: number) =>
  vi.waitFor(() => {
    const found = replies.filter((reply) => reply.id === id)
    if (found.length !== 1) throw new Error(`${found.length} replies have the id ${id}`)
    return found[0] as Reply
  }, 2000)

async function entryOf(id: number) {
  const { result } = await replyOf(id)
  if (result.case !== 'get') throw new Error(`${result.case} is no answer`)
  return result.value
}

async function errorOf(id: number) {
  const { result } = await replyOf(id)
  if (result.case !== 'error') throw new Error(`${result.case} is no error`)
  return result.value
}

describe('the Gets of a frame', () => {
  it('are answered together, each with its entry or none, and one receipt', async () => {
    send([
      { id: 1, key: 'a' },
      { id: 2, key: 'none' },
      { id: 3, key: 'b' },
    ])
    const [a, none, b] = await Promise.all([1, 2, 3].map(entryOf))
    expect([a, none, b].map((answer) => answer?.entry?.key)).toEqual(['a', undefined, 'b'])
    expect(Buffer.from(a?.entry?.value ?? []).toString()).toBe('a')
    expect(a?.receipt).toEqual(b?.receipt)
    expect(a?.receipt?.region).toBe('here')
    expect(ended).toEqual(['Get OK', 'Get OK', 'Get OK'])
    expect(inGate()).toBe(0)
  })

  it('go to the handler of Get where options say more', async () => {
    send([{ id: 1 }])
    const { receipt } = await entryOf(1)
    send(
      [
        { id: 2, ...alone },
        { id: 3, options: { consistency: 3 } },
        { id: 4, options: { sessionToken: receipt?.sessionToken } },
        { id: 5, options: { consistency: 2 }, session: 1 },
      ],
      { sessionTokens: [receipt?.sessionToken as Uint8Array] },
    )
    const types = await Promise.all([2, 3, 4, 5].map(async (id) => (await entryOf(id)).entry?.contentType))
    expect(types).toEqual(['handled', 'handled', 'handled', ''])
  })

  it('go to the handler of Get whose session the state does not cover, the others do not', async () => {
    send([{ id: 1 }])
    const token = Uint8Array.from((await entryOf(1)).receipt?.sessionToken ?? [])
    const ahead = Uint8Array.from(token)
    new DataView(ahead.buffer).setBigUint64(17, 1_000_000n)
    let seen: Uint8Array | undefined
    handle = async ({ key, options }) => {
      seen = options?.sessionToken
      return create(GetResponseSchema, { entry: { key, contentType: 'handled' } })
    }
    send([{ id: 2, session: 1 }, { id: 3, session: 2 }, { id: 4, session: 1 }, { id: 5 }], {
      sessionTokens: [token, ahead],
    })
    const types = await Promise.all([2, 3, 4, 5].map(async (id) => (await entryOf(id)).entry?.contentType))
    expect(types).toEqual(['', 'handled', '', ''])
    expect(Buffer.compare(seen ?? new Uint8Array(), ahead)).toBe(0)
  })

  it('go to the handler of Get when another region has told that the state holds lost writes', async () => {
    const { position } = await redis.writer.setEntries(
      'n',
      [{ key: 'c', value: Buffer.from('c'), contentType: '' }],
      soon(),
    )
    tell(position.epoch + 1, { [position.epoch]: BigInt(position.seq - 1) })
    send([{ id: 1 }])
    expect((await entryOf(1)).entry?.contentType).toBe('handled')
  })

  it('go to the handler of Get when Redis is silent for a quarter of their time', async () => {
    await redis.connection.call('CLIENT', 'PAUSE', 300, 'ALL')
    const startedMs = performance.now()
    send([{ id: 1, timeoutMs: 400 }])
    expect((await entryOf(1)).entry?.contentType).toBe('handled')
    expect(performance.now() - startedMs).toBeGreaterThan(90)
    expect(performance.now() - startedMs).toBeLessThan(290)
    send([{ id: 2, timeoutMs: 5000 }])
    expect((await entryOf(2)).entry?.contentType).toBe('')
    expect(inGate()).toBe(0)
  })
})

describe('the Sets of a frame', () => {
  const sets = (
    ...asked: { id: number; key: string; session?: number; options?: object; timeoutMs?: number }[]
  ) =>
    asked.map(({ key, options, ...call }) => ({
      ...call,
      request: {
        case: 'set' as const,
        value: { namespace: 'n', key, value: Buffer.from(key), ...(options && { options }) },
      },
    }))
  const write = (calls: ReturnType<typeof sets>, more: object = {}) =>
    stream.write(create(MultiplexRequestSchema, { calls, ...more }))
  const versionOf = async (id: number) => {
    const { result } = await replyOf(id)
    return result.case === 'set' ? result.value.version : result.case
  }

  it('are written together, each with its version, and answered with one receipt', async () => {
    write(sets({ id: 1, key: 's1' }, { id: 2, key: 's2' }, { id: 3, key: 's3' }))
    const versions = await Promise.all([1, 2, 3].map(versionOf))
    expect(new Set(versions).size).toBe(3)
    for (const version of versions) expect(version).toMatch(/^\d+-\d+$/)
    const entries = await entriesOf('s1', 's2', 's3')
    expect(entries.map((entry) => entry && formatPosition(entry.position))).toEqual(versions)
    expect(ended).toEqual(['Set OK', 'Set OK', 'Set OK'])
    const { result } = await replyOf(1)
    const token = result.case === 'set' ? result.value.receipt?.sessionToken : undefined
    expect(formatPosition(decodeToken(token ?? new Uint8Array()).position)).toBe(versions[2])
    expect(inGate()).toBe(0)
  })

  it('with a request id get the first answer again, whether alone or together', async () => {
    const options = { requestId: 'again' }
    write(sets({ id: 1, key: 'once', options }))
    const first = await versionOf(1)
    write(sets({ id: 2, key: 'other' }, { id: 3, key: 'once', options }))
    expect(await versionOf(3)).toBe(first)
    write(sets({ id: 4, key: 'another', options }))
    expect((await errorOf(4)).code).toBe(status.INVALID_ARGUMENT)
  })

  it('with a request id get the first answer again also where those of the frame before had none', async () => {
    const options = { requestId: 'mixed' }
    write(sets({ id: 1, key: 'schlüssel' }, { id: 2, key: 'mixed', options }))
    const first = await versionOf(2)
    expect(await versionOf(1)).toMatch(/^\d+-\d+$/)
    write(sets({ id: 3, key: 'mixed', options }))
    expect(await versionOf(3)).toBe(first)
  })

  it('go to the handler of Set where the region takes no writes, the session is ahead, or it is to be REPLICATED', async () => {
    takesWrites = false
    write(sets({ id: 1, key: 'k' }))
    expect(await versionOf(1)).toBe('handled')
    takesWrites = true
    write(sets({ id: 2, key: 'k', options: { durability: 2 } }))
    expect(await versionOf(2)).toBe('handled')
    send([{ id: 3 }])
    const ahead = Uint8Array.from((await entryOf(3)).receipt?.sessionToken ?? [])
    new DataView(ahead.buffer).setBigUint64(17, 1_000_000n)
    write(sets({ id: 4, key: 'k', session: 1 }, { id: 5, key: 'k' }), { sessionTokens: [ahead] })
    expect(await versionOf(4)).toBe('handled')
    expect(await versionOf(5)).toMatch(/^\d+-\d+$/)
    expect(inGate()).toBe(0)
  })

  it('are not done when they are given up before they are begun', async () => {
    write(sets({ id: 1, key: 'never' }, { id: 2, key: 'done' }), { cancels: [1] })
    expect((await errorOf(1)).code).toBe(status.CANCELLED)
    await versionOf(2)
    const entries = await entriesOf('never', 'done')
    expect(entries.map((entry) => entry?.key)).toEqual([undefined, 'done'])
    expect(inGate()).toBe(0)
  })

  it('of which nobody knows in time are told so', async () => {
    await redis.connection.call('CLIENT', 'PAUSE', 300, 'ALL')
    write(sets({ id: 1, key: 'slow', timeoutMs: 150 }))
    const error = await errorOf(1)
    expect(error.code).toBe(status.UNAVAILABLE)
    expect(error.message).toContain('may or may not')
    await vi.waitFor(() => expect(inGate()).toBe(0))
    expect(replies).toHaveLength(1)
  })
})

describe('a call', () => {
  it('past its deadline is told so, and its handler too', async () => {
    const { entered, release } = heldBack()
    send([{ id: 1, ...alone, timeoutMs: 50 }])
    const { signal, deadlineMs } = await entered
    expect(deadlineMs - Date.now()).toBeLessThanOrEqual(50)
    expect((await errorOf(1)).code).toBe(status.DEADLINE_EXCEEDED)
    expect(signal.reason).toMatchObject({ status: 'DEADLINE_EXCEEDED' })
    expect(ended).toEqual(['Get DEADLINE_EXCEEDED'])
    // It is in the gate for as long as it runs.
    expect(inGate()).toBe(1)
    release()
    await vi.waitFor(() => expect(inGate()).toBe(0))
    expect(replies).toHaveLength(1)
  })

  it('without a deadline has the default one', async () => {
    const { entered, release } = heldBack()
    send([{ id: 1, ...alone }])
    const { deadlineMs } = await entered
    expect(deadlineMs - Date.now()).toBeGreaterThan(200)
    expect((await errorOf(1)).message).toContain('400 ms')
    release()
  })

  it('that is given up is told so once, and its handler finds its signal aborted whenever it looks', async () => {
    const { entered, release } = heldBack()
    send([{ id: 1, ...alone }])
    const call = await entered
    send([], { cancels: [1] })
    expect((await errorOf(1)).code).toBe(status.CANCELLED)
    expect(call.signal.aborted).toBe(true)
    release()
    await vi.waitFor(() => expect(inGate()).toBe(0))
    expect(replies).toHaveLength(1)
    expect(ended).toEqual(['Get CANCELLED'])
  })

  it('whose handler fails without a word to callers is INTERNAL', async () => {
    handle = async () => {
      throw new Error('password is hunter2')
    }
    send([{ id: 1, ...alone }])
    const error = await errorOf(1)
    expect(error.code).toBe(status.INTERNAL)
    expect(JSON.stringify(error.message)).not.toContain('hunter2')
  })
})

describe('a drain', () => {
  it('says so, lets what was taken finish, refuses what comes, and ends the stream with OK', async () => {
    const { entered, release } = heldBack()
    send([{ id: 1, ...alone, timeoutMs: 5000 }])
    await entered
    const drained = server.drain(5_000)
    await vi.waitFor(() => expect(draining).toBe(true))
    send([{ id: 2 }])
    const refused = await errorOf(2)
    expect(refused.code).toBe(status.UNAVAILABLE)
    release()
    expect((await entryOf(1)).entry?.contentType).toBe('handled')
    expect((await streamEnd).code).toBe(status.OK)
    await drained
  })

  it('ends an idle stream at once', async () => {
    send([{ id: 1 }])
    await replyOf(1)
    const startedMs = performance.now()
    await server.drain(5_000)
    expect((await streamEnd).code).toBe(status.OK)
    expect(draining).toBe(true)
    expect(performance.now() - startedMs).toBeLessThan(1_000)
  })

  it('breaks off what takes too long', async () => {
    const { entered } = heldBack()
    send([{ id: 1, ...alone, timeoutMs: 5000 }])
    const { signal } = await entered
    await server.drain(50)
    expect((await streamEnd).code).toBe(status.UNAVAILABLE)
    expect(signal.aborted).toBe(true)
    expect(replies).toHaveLength(0)
  })
})

it('a stream of which a frame is read has begun before anything is answered, so that its end says more than a refusal', async () => {
  const { release } = heldBack()
  send([{ id: 1, ...alone }])
  const [begun] = await once(stream, 'metadata')
  expect(begun).toBeInstanceOf(Metadata)
  expect(replies).toEqual([])
  release()
  await entryOf(1)
})

it('a stream whose client reads nothing is soon not read, until the client reads again', async () => {
  let handled = 0
  const value = Buffer.alloc(512 * 1024)
  handle = async ({ key }) => {
    handled += 1
    return create(GetResponseSchema, { entry: { key, value } })
  }
  stream.pause()
  const ids = Array.from({ length: 150 }, (_, i) => i + 1)
  for (const id of ids) send([{ id, ...alone, timeoutMs: 10_000 }])
  let before = -1
  await vi.waitFor(
    () => {
      const still = handled === before && handled > 0
      before = handled
      if (!still) throw new Error('it is still read')
    },
    { timeout: 5_000, interval: 200 },
  )
  expect(handled).toBeLessThan(60)
  stream.resume()
  await vi.waitFor(() => expect(replies).toHaveLength(ids.length), 10_000)
  expect(handled).toBe(ids.length)
})

it('a stream that breaks off gives up its calls', async () => {
  const { entered, release } = heldBack()
  send([
    { id: 1, ...alone, timeoutMs: 5000 },
    { id: 2, ...alone, timeoutMs: 5000 },
  ])
  const { signal } = await entered
  stream.cancel()
  await vi.waitFor(() => expect(signal.aborted).toBe(true))
  expect(signal.reason).toMatchObject({ status: 'CANCELLED' })
  release()
  await vi.waitFor(() => expect(inGate()).toBe(0))
  expect(ended).toEqual(['Get CANCELLED', 'Get CANCELLED', 'Multiplex CANCELLED'])
})

it('lets a client that sends frames send more of them at a time, and others as much as HTTP/2 does', async () => {
  const windowOf = async (path: string) => {
    const session = connect(`http://127.0.0.1:${port}`)
    const request = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    })
    request.on('error', () => {})
    const { path: get } = grpcServiceDefinition(CacheService).get as { path: string }
    if (path === get) request.end()
    await once(session, 'remoteSettings')
    await new Promise((resolve) => session.ping(resolve))
    const { initialWindowSize } = session.remoteSettings
    session.destroy()
    return initialWindowSize
  }
  const { path } = grpcServiceDefinition(MultiplexService).multiplex as { path: string }
  expect(await windowOf(path)).toBe(256 * 1024)
  expect(await windowOf(grpcServiceDefinition(CacheService).get?.path as string)).toBe(65_535)
})
