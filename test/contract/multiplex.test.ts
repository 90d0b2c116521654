import type { MessageInitShape } from '@bufbuild/protobuf'
import { create, type Message, toBinary } from '@bufbuild/protobuf'
import {
  AttributeType,
  CallSchema,
  Consistency,
  type DeleteResponse,
  type GetChunksResponse,
  type GetManyResponse,
  type GetRequestSchema,
  type GetResponse,
  GetRequestSchema as GetSchema,
  Metric,
  MultiplexRequestSchema,
  type SearchResponse,
  type SetManyResponse,
  type SetResponse,
  WhenBehind,
} from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stopFollowing } from '../support/following.ts'
import { answerOf, MultiplexClient, ReplyError } from '../support/multiplex-client.ts'
import { bytes, startTwoRegions, type TwoRegions, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'multiplex'
const CALLS_MAX = 300
const MIB = 1024 * 1024

let regions: TwoRegions
let us: MultiplexClient
let eu: MultiplexClient

beforeAll(async () => {
  regions = await startTwoRegions({ sidecarEnv: { PERIGEE_CALLS_IN_FLIGHT_MAX: String(CALLS_MAX) } })
  ;[us, eu] = regions.cluster.state().regions.map(({ grpc }) => new MultiplexClient(grpc)) as [
    MultiplexClient,
    MultiplexClient,
  ]
})

afterAll(async () => {
  us?.close()
  eu?.close()
  await regions?.[Symbol.asyncDispose]()
})

const address = (region: 0 | 1) => regions.cluster.state().regions[region]?.grpc ?? ''

type Init<S extends typeof GetRequestSchema> = Exclude<MessageInitShape<S>, { $typeName: string }>
const get = (key: string, init: Init<typeof GetRequestSchema> = {}) => ({
  request: { case: 'get' as const, value: { namespace: NAMESPACE, key, ...init } },
})
const set = (key: string, value: string | Uint8Array, options = {}) => ({
  request: {
    case: 'set' as const,
    value: {
      namespace: NAMESPACE,
      key,
      value: typeof value === 'string' ? bytes(value) : value,
      contentType: 'text/plain',
      options,
    },
  },
})

/** A Get that waits: for something that a session has seen and nobody wrote. */
async function waitingGet(key = 'waiting', waitMs = 5_000) {
  const { receipt } = await regions.us.cache.set({ namespace: NAMESPACE, key: 'seen' })
  const sessionToken = Uint8Array.from(receipt?.sessionToken ?? [])
  new DataView(sessionToken.buffer).setBigUint64(17, 1_000_000n)
  const maxWait = { seconds: BigInt(Math.floor(waitMs / 1000)), nanos: (waitMs % 1000) * 1e6 }
  return get(key, { options: { sessionToken, maxWait, whenBehind: WhenBehind.FAIL } })
}

async function failure(promise: Promise<unknown>): Promise<ReplyError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(outcome instanceof ReplyError)) throw new Error(`expected an error reply, not ${outcome}`)
  return outcome
}

describe('a call on the stream', () => {
  it('is answered as the unary call is: every kind of the cache', async () => {
    const written = (await us.call(set('a', '1'))) as SetResponse
    expect(written.version).toMatch(/^\d+-\d+$/)
    expect(written.receipt?.region).toBe('us-east-1')
    const several = (await us.call({
      request: {
        case: 'setMany',
        value: { namespace: NAMESPACE, entries: ['b', 'c'].map((key) => ({ key, value: bytes(key) })) },
      },
    })) as SetManyResponse
    expect(several.versions).toHaveLength(2)
    const read = (await us.call(get('a'))) as GetResponse
    const unary = await regions.us.cache.get({ namespace: NAMESPACE, key: 'a' })
    expect(read.entry).toEqual(unary.entry)
    expect(read.receipt).toEqual(unary.receipt)
    expect(((await us.call(get('none'))) as GetResponse).entry).toBeUndefined()
    const many = (await us.call({
      request: { case: 'getMany', value: { namespace: NAMESPACE, keys: ['a', 'b', 'none'] } },
    })) as GetManyResponse
    expect(many.entries.map(({ key }) => key)).toEqual(['a', 'b'])
    const deleted = (await us.call({
      request: { case: 'delete', value: { namespace: NAMESPACE, keys: ['a', 'none'] } },
    })) as DeleteResponse
    expect(deleted.deleted).toBe(1)
    expect(((await us.call(get('a'))) as GetResponse).entry).toBeUndefined()
  })

  it('is answered as the unary call is: searches and chunks', async () => {
    const model = { id: 'm', revision: '1' }
    await regions.us.search.createIndex({
      namespace: NAMESPACE,
      index: {
        ...{ name: 'docs', dimensions: 2, metric: Metric.COSINE, model },
        algorithm: { case: 'flat', value: {} },
        attributes: [{ name: 'lang', type: AttributeType.TAG }],
      },
    })
    const vector = { values: { case: 'floats' as const, value: { values: [1, 0] } } }
    const { receipt } = await regions.us.search.upsertChunks({
      ...{ namespace: NAMESPACE, index: 'docs', model, chunks: [{ id: 'one', text: 'One', vector }] },
    })
    const found = (await us.call(
      { request: { case: 'search', value: { namespace: NAMESPACE, index: 'docs', model, vector, k: 1 } } },
      receipt?.sessionToken,
    )) as SearchResponse
    expect(found.hits.map(({ chunk }) => chunk?.id)).toEqual(['one'])
    const chunks = (await us.call({
      request: { case: 'getChunks', value: { namespace: NAMESPACE, index: 'docs', ids: ['one'] } },
    })) as GetChunksResponse
    expect(chunks.chunks.map((chunk) => chunk.text)).toEqual(['One'])
    const lookup = await failure(us.call({ request: { case: 'lookup', value: { namespace: NAMESPACE } } }))
    expect(lookup).toMatchObject({ status: 'UNIMPLEMENTED', details: { reason: 'NOT_YET' } })
  })

  it('that is a write with a request id is the same write as the unary one', async () => {
    const options = { requestId: 'the-same' }
    const ttl = { seconds: 60n, nanos: 0 }
    const value = {
      namespace: NAMESPACE,
      key: 'same',
      value: bytes('1'),
      contentType: 'text/plain',
      ttl,
      options,
    }
    const first = (await us.call({ request: { case: 'set', value } })) as SetResponse
    expect((await regions.us.cache.set(value)).version).toBe(first.version)
    const other = regions.us.cache.set({ ...value, contentType: 'text/html' })
    await expect(other).rejects.toMatchObject({ details: { reason: 'INVALID_FIELD' } })
    // By way of the other region, which forwards it.
    expect(((await eu.call({ request: { case: 'set', value } })) as SetResponse).version).toBe(first.version)
  })

  it('may come with calls of every other kind, of other namespaces and in any number', async () => {
    await us.call(set('mixed', 'x'))
    await regions.us.cache.set({ namespace: 'other', key: 'mixed', value: bytes('y') })
    const other = { request: { case: 'get' as const, value: { namespace: 'other', key: 'mixed' } } }
    const calls = Array.from({ length: 100 }, (_, i) =>
      i % 3 === 0 ? other : i % 3 === 1 ? get('mixed') : set(`mixed-${i}`, `${i}`),
    )
    const replies = await Promise.all(us.send({ calls }))
    for (const [i, reply] of replies.entries()) {
      const answer = answerOf(reply)
      if (i % 3 === 2) expect((answer as SetResponse).version).not.toBe('')
      else expect(text((answer as GetResponse).entry?.value)).toBe(i % 3 === 0 ? 'y' : 'x')
    }
    const written = await regions.us.cache.get({ namespace: NAMESPACE, key: 'mixed-2' })
    expect(text(written.entry?.value)).toBe('2')
  })

  it('shares a frame of replies with those that are ready at the same time', async () => {
    const before = us.frames.length
    await Promise.all(us.send({ calls: Array.from({ length: 128 }, (_, i) => get(`k-${i}`)) }))
    expect(us.frames.length - before).toBeLessThan(5)
  })

  it('is answered with values of a mebibyte, however many there are', async () => {
    const value = new Uint8Array(MIB).fill(7)
    for (let i = 0; i < 6; i++) await us.call(set(`large-${i}`, value))
    const replies = await Promise.all(
      us.send({ calls: Array.from({ length: 6 }, (_, i) => get(`large-${i}`)) }),
    )
    for (const reply of replies) {
      const { entry } = answerOf(reply) as GetResponse
      expect(Buffer.compare(entry?.value ?? new Uint8Array(), value)).toBe(0)
    }
  })
})

describe('an error', () => {
  type Refusal = [
    title: string,
    call: MessageInitShape<typeof CallSchema>,
    status: string,
    reason: string,
    field: string,
  ]
  const unknown = <T extends Message>(message: T): T => {
    message.$unknown = [{ no: 100, wireType: 0, data: new Uint8Array([1]) }]
    return message
  }
  const cases: Refusal[] = [
    [
      'a namespace in capitals',
      get('k', { namespace: 'A' }),
      'INVALID_ARGUMENT',
      'INVALID_FIELD',
      'namespace',
    ],
    ['no key', get(''), 'INVALID_ARGUMENT', 'INVALID_FIELD', 'key'],
    ['a key over 1 KiB', get('k'.repeat(1025)), 'INVALID_ARGUMENT', 'TOO_LARGE', 'key'],
    [
      'an unknown consistency',
      get('k', { options: { consistency: 99 as Consistency } }),
      ...(['INVALID_ARGUMENT', 'INVALID_FIELD', 'options.consistency'] as const),
    ],
    ['no request', {}, 'INVALID_ARGUMENT', 'INVALID_FIELD', 'request'],
    [
      'a session that is not there',
      { ...get('k'), session: 2 },
      'INVALID_ARGUMENT',
      'INVALID_FIELD',
      'session',
    ],
    [
      'a field in the request that nobody knows',
      { request: { case: 'get', value: unknown(create(GetSchema, { namespace: NAMESPACE, key: 'k' })) } },
      ...(['UNIMPLEMENTED', 'UNKNOWN_FIELD', '100'] as const),
    ],
    [
      'a field in the call that nobody knows',
      unknown(create(CallSchema, get('k'))),
      ...(['UNIMPLEMENTED', 'UNKNOWN_FIELD', '100'] as const),
    ],
    ['a value over 1 MiB', set('k', new Uint8Array(MIB + 1)), 'INVALID_ARGUMENT', 'TOO_LARGE', 'value'],
  ]
  it.each(cases)('is told of one call alone: %s', async (_title, call, status, reason, field) => {
    const [first, wrong, last] = us.send({ calls: [get('fine'), call, set('fine', '1')] })
    const error = await failure((wrong as Promise<never>).then(answerOf))
    expect(error).toMatchObject({ status, details: { reason, fields: [{ field }] } })
    answerOf(await (first as Promise<never>))
    answerOf(await (last as Promise<never>))
  })

  it('is what the unary call is told', async () => {
    const request = { namespace: NAMESPACE, key: 'a\0' }
    const unary = await regions.us.cache.get(request).catch((error: unknown) => error)
    const told = await failure(us.call({ request: { case: 'get', value: request } }))
    expect({ ...told, message: told.message }).toMatchObject({
      ...{ status: (unary as ReplyError).status, message: (unary as Error).message },
      details: (unary as ReplyError).details,
    })
  })

  it('is told of a request that is none, and the calls beside it are answered', async () => {
    using client = new MultiplexClient(address(0))
    const [good, bad] = [1, 2]
    const frame = toBinary(
      MultiplexRequestSchema,
      create(MultiplexRequestSchema, { calls: [{ id: good, ...get('k') }] }),
    )
    const torn = [0x0a, 5, 0x08, bad, 0x2a, 1, 0x0a]
    const replies = [client.reply(good), client.reply(bad)] as const
    client.writeBytes(Uint8Array.from([...frame, ...torn]))
    answerOf(await replies[0])
    expect(await failure(replies[1].then(answerOf))).toMatchObject({ status: 'INVALID_ARGUMENT' })
  })
})

describe('a session', () => {
  it('reads its own write in a region that is behind, and others beside it read what is there', async () => {
    const { cluster } = regions
    await us.call(set('own', 'old'))
    await waitFor('it to arrive', async () => ((await eu.call(get('own'))) as GetResponse).entry)
    const followAgain = await stopFollowing(cluster, 'eu-west-1')
    try {
      const { receipt } = (await us.call(set('own', 'new'))) as SetResponse
      const sessionTokens = [receipt?.sessionToken ?? new Uint8Array()]
      const calls = [get('own'), { ...get('own'), session: 1 }]
      const [without, within] = await Promise.all(eu.send({ calls, sessionTokens }))
      const stale = answerOf(without as never) as GetResponse
      const own = answerOf(within as never) as GetResponse
      expect(text(stale.entry?.value)).toBe('old')
      expect(stale.receipt?.region).toBe('eu-west-1')
      expect(text(own.entry?.value)).toBe('new')
      expect(own.receipt).toMatchObject({ region: 'us-east-1', fallback: true })
    } finally {
      await followAgain()
    }
    const { receipt } = (await us.call(set('own', 'newer'))) as SetResponse
    const read = (await eu.call(get('own'), receipt?.sessionToken)) as GetResponse
    expect(text(read.entry?.value)).toBe('newer')
  })

  it('is refused where its token is none, or of writes that are lost', async () => {
    const garbage = await failure(us.call(get('k'), new Uint8Array([1, 2, 3])))
    expect(garbage).toMatchObject({ status: 'INVALID_ARGUMENT', details: { reason: 'INVALID_TOKEN' } })
    const { receipt } = (await us.call(set('k', '1'))) as SetResponse
    const lost = Uint8Array.from(receipt?.sessionToken ?? [])
    new DataView(lost.buffer).setBigUint64(17, 1_000_000_000n)
    const ahead = await failure(us.call(set('k', '2'), lost))
    expect(ahead).toMatchObject({ status: 'INVALID_ARGUMENT', details: { reason: 'INVALID_TOKEN' } })
  })

  it('goes on through reads and writes in both regions, with tokens that never go back', async () => {
    let token: Uint8Array | undefined
    let last = ''
    for (let i = 0; i < 40; i++) {
      const side = i % 2 === 0 ? us : eu
      const read = (await side.call(get('counter'), token)) as GetResponse
      expect(text(read.entry?.value) ?? '').toBe(last)
      last = `${i}`
      const { receipt } = (await side.call(set('counter', last), token)) as SetResponse
      expect(
        Buffer.compare(receipt?.sessionToken ?? new Uint8Array(), token ?? new Uint8Array()),
      ).toBeGreaterThan(0)
      token = receipt?.sessionToken
    }
  })

  it('may ask the primary, or eventual consistency', async () => {
    const { receipt } = (await us.call(set('where', 'new'))) as SetResponse
    const { PRIMARY: consistency } = Consistency
    const primary = (await eu.call(
      get('where', { options: { consistency } }),
      receipt?.sessionToken,
    )) as GetResponse
    expect(primary.receipt?.region).toBe('us-east-1')
    const options = { consistency: Consistency.EVENTUAL }
    const eventual = (await eu.call(get('where', { options }), receipt?.sessionToken)) as GetResponse
    expect(eventual.receipt?.region).toBe('eu-west-1')
  })
})

describe('a call in flight', () => {
  it('is given up by a cancel, and an id may be used again', async () => {
    const id = eu.nextId()
    const [reply] = eu.send({ calls: [{ id, ...(await waitingGet()) }] })
    eu.post({ cancels: [id, 4_000_000_000] })
    expect(await failure((reply as Promise<never>).then(answerOf))).toMatchObject({ status: 'CANCELLED' })
    const [again] = eu.send({ calls: [{ id, ...get('k') }] })
    answerOf(await (again as Promise<never>))
  })

  it('is answered or given up, not both, by a cancel in its own frame', async () => {
    const id = us.nextId()
    const [reply] = us.send({ calls: [{ id, ...get('k') }], cancels: [id] })
    expect(await failure((reply as Promise<never>).then(answerOf))).toMatchObject({ status: 'CANCELLED' })
  })

  it('that is a write is not done when it is given up at once', async () => {
    const id = us.nextId()
    const [reply] = us.send({ calls: [{ id, ...set('never', '1') }], cancels: [id] })
    expect(await failure((reply as Promise<never>).then(answerOf))).toMatchObject({ status: 'CANCELLED' })
    expect(((await us.call(get('never'))) as GetResponse).entry).toBeUndefined()
  })

  it('is told so past its deadline, and only then', async () => {
    const startedMs = performance.now()
    const waiting = await waitingGet()
    const [short, other] = eu.send({
      calls: [
        { ...waiting, timeoutMs: 120 },
        { ...get('k'), timeoutMs: 120 },
      ],
    })
    answerOf(await (other as Promise<never>))
    const error = await failure((short as Promise<never>).then(answerOf))
    // Either the wait was cut short to tell why in time, or time was up.
    expect(['DEADLINE_EXCEEDED', 'UNAVAILABLE']).toContain(error.status)
    expect(performance.now() - startedMs).toBeLessThan(1_000)
  })

  it('over as many as the sidecar takes is turned away, and the others are answered', async () => {
    using client = new MultiplexClient(address(1))
    const waiting = await waitingGet('waiting', 1_000)
    const replies = client.send({ calls: Array.from({ length: CALLS_MAX + 20 }, () => waiting) })
    const errors = await Promise.all(replies.map((reply) => failure(reply.then(answerOf))))
    const refused = errors.filter(({ details }) => details.reason === 'OVERLOADED')
    expect(refused.length).toBeGreaterThanOrEqual(20)
    expect(refused[0]).toMatchObject({ status: 'RESOURCE_EXHAUSTED', details: { retryDelayMs: 200 } })
    const behind = errors.filter(({ details }) => details.reason === 'BEHIND_SESSION')
    expect(behind.length + refused.length).toBe(errors.length)
    answerOf((await Promise.all(client.send({ calls: [get('k')] })))[0] as never)
  })
})

describe('a stream', () => {
  it.each([
    ['that has bytes which are no frame', Uint8Array.from([0x0a, 200, 1]), 'INVALID_ARGUMENT'],
    ['over the limit of messages', new Uint8Array(4 * MIB + 1), 'RESOURCE_EXHAUSTED'],
    ['far over the limit of messages', new Uint8Array(5 * MIB), 'RESOURCE_EXHAUSTED'],
    ['with a field that nobody knows', Uint8Array.from([0xa0, 6, 1]), 'UNIMPLEMENTED'],
  ])('is ended by a frame %s', async (_title, frame, status) => {
    using client = new MultiplexClient(address(0))
    await client.call(get('k'))
    client.writeBytes(frame)
    expect(await client.ended).toMatchObject({ status })
  })

  it('is ended by an id that is in flight', async () => {
    using client = new MultiplexClient(address(1))
    client.post({ calls: [{ ...(await waitingGet()), id: 7 }] })
    client.post({ calls: [{ ...get('k'), id: 7 }] })
    const { status, message } = await client.ended
    expect(status).toBe('INVALID_ARGUMENT')
    expect(message).toContain('7')
  })

  it('ends with OK when its client has no more to ask and all is answered', async () => {
    using client = new MultiplexClient(address(0))
    const [reply] = client.send({ calls: [get('k')] })
    client.finish()
    answerOf(await (reply as Promise<never>))
    expect(await client.ended).toMatchObject({ status: 'OK' })
  })

  it('whose client reads nothing is not read for long, and all is answered once it does', async () => {
    using client = new MultiplexClient(address(0))
    await client.call(set('kept', new Uint8Array(MIB / 2)))
    client.pause()
    const replies = Array.from(
      { length: 60 },
      () => client.send({ calls: [get('kept')] })[0] as Promise<never>,
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    client.resume()
    for (const reply of replies)
      expect((answerOf(await reply) as GetResponse).entry?.value).toHaveLength(MIB / 2)
  })

  it('that breaks off gives up its calls, and leaves room for others', async () => {
    const waiting = await waitingGet('waiting', 60_000)
    for (let i = 0; i < 3; i++) {
      const client = new MultiplexClient(address(1))
      client.post({ calls: Array.from({ length: CALLS_MAX - 20 }, () => waiting) })
      const [probe] = client.send({ calls: [get('k')] })
      await probe
      client.close()
    }
    await waitFor(
      'room',
      async () => (await regions.eu.cache.get({ namespace: NAMESPACE, key: 'k' })).receipt,
    )
  })
})

it('a sidecar that is stopped says so on its streams, answers what it has taken, and ends them with OK', async () => {
  using client = new MultiplexClient(address(1))
  const calls = [await waitingGet('waiting', 4_000), get('k')]
  const [waiting, taken] = client.send({ calls }) as [Promise<never>, Promise<never>]
  // So that it has come before the sidecar hears that it is to stop.
  answerOf(await taken)
  const stopped = regions.cluster.stopProcess('eu-west-1', 'sidecar', 'SIGTERM')
  await waitFor('the news', () => client.draining)
  const late = await failure((client.send({ calls: [get('k')] })[0] as Promise<never>).then(answerOf))
  expect(late).toMatchObject({ status: 'UNAVAILABLE', details: {} })
  expect(await failure(waiting.then(answerOf))).toMatchObject({ details: { reason: 'BEHIND_SESSION' } })
  expect(await client.ended).toMatchObject({ status: 'OK' })
  await stopped
})
