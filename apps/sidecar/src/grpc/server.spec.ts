import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { DEFAULT_LIMITS } from '@perigee/core'
import {
  CacheService,
  ClusterService,
  decodeStatusDetails,
  type GetRequest,
  GetRequestSchema,
  type GetResponse,
  GetResponseSchema,
  grpcServiceDefinition,
  type SetRequestSchema,
  STATUS_DETAILS_KEY,
  WatchStatusRequestSchema,
  WatchStatusResponseSchema,
} from '@perigee/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refusal } from '../status-error.ts'
import type { CallContext, ServiceRegistration } from './call.ts'
import { GrpcServer } from './server.ts'

type Get = (request: GetRequest, call: CallContext) => Promise<unknown>

let get: Get
let watch: (request: unknown, call: CallContext) => AsyncIterable<unknown>
let logged: string[]
let ended: string[]
let server: GrpcServer
let client: Client

beforeEach(async () => {
  logged = []
  ended = []
  server = new GrpcServer({
    listen: '127.0.0.1:0',
    limits: { ...DEFAULT_LIMITS, messageBytesMax: 2000 },
    log: pino({}, { write: (line: string) => logged.push(line) }),
    observer: { callEnded: (method, name) => ended.push(`${method} ${name}`) },
    unaryDeadlineMs: 200,
  })
  const handlers = (map: object) => map as ServiceRegistration['handlers']
  server.add({
    service: CacheService,
    handlers: handlers({ get: (...call: Parameters<Get>) => get(...call) }),
  })
  server.add({
    service: ClusterService,
    handlers: handlers({ watchStatus: (...call: Parameters<typeof watch>) => watch(...call) }),
  })
  const port = await server.start()
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
})

afterEach(async () => {
  client.close()
  await server.drain(100)
})

function call(
  init: MessageInitShape<typeof GetRequestSchema>,
  { deadlineMs = 5000, bytes }: { deadlineMs?: number; bytes?: Buffer } = {},
): Promise<GetResponse> {
  const definition = grpcServiceDefinition(CacheService).get
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      definition.path,
      (request: GetRequest) => bytes ?? definition.requestSerialize(request),
      definition.responseDeserialize,
      create(GetRequestSchema, init),
      new Metadata(),
      deadlineMs === 0 ? {} : { deadline: Date.now() + deadlineMs },
      (error, response) => (error ? reject(error) : resolve(response as GetResponse)),
    )
  })
}

const failure = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => Promise.reject(new Error('it was answered')),
    (error: ServiceError) => error,
  )

function detailsOf(error: ServiceError) {
  return decodeStatusDetails(error.metadata.get(STATUS_DETAILS_KEY)[0] as Buffer)
}

function watchCall(): ClientReadableStream<unknown> {
  const { path, requestSerialize, responseDeserialize } = grpcServiceDefinition(ClusterService).watchStatus
  return client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    create(WatchStatusRequestSchema),
  )
}

const endOf = (stream: ClientReadableStream<unknown>): Promise<ServiceError> =>
  new Promise((resolve) => stream.on('error', resolve))

describe('a unary call', () => {
  it('is answered', async () => {
    get = async ({ key }) => create(GetResponseSchema, { entry: { key } })
    expect((await call({ key: 'k' })).entry?.key).toBe('k')
    expect(ended).toEqual(['perigee.v1.CacheService/Get OK'])
  })

  it('fails with what the handler says', async () => {
    get = async () => {
      throw refusal('NOT_PRIMARY', 'ask us-east-1 — at once', { metadata: { primary: 'us-east-1' } })
    }
    const error = await failure(call({}))
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'ask us-east-1 — at once' })
    expect(detailsOf(error)).toMatchObject({ reason: 'NOT_PRIMARY', metadata: { primary: 'us-east-1' } })
  })

  it('tells of an unexpected error its log id alone', async () => {
    get = async () => {
      throw new Error('password is hunter2')
    }
    const error = await failure(call({}))
    expect(error.code).toBe(status.INTERNAL)
    expect(error.details).not.toContain('hunter2')
    const [, logId] = /log id ([0-9a-f-]{36})/.exec(error.details) ?? []
    expect(logged.join()).toContain(logId)
    expect(logged.join()).toContain('hunter2')
  })

  it.each(['half a pair \ud800', `long ${'x'.repeat(100_000)}`, 'line\nbreak % €'])(
    'fails with a message that headers can carry (%#)',
    async (message) => {
      get = async () => {
        throw refusal('NO_PRIMARY', message)
      }
      const error = await failure(call({}))
      expect(error.code).toBe(status.UNAVAILABLE)
      expect(detailsOf(error).reason).toBe('NO_PRIMARY')
    },
  )

  it('that brings no deadline gets the sidecar’s, and its handler is told', async () => {
    let seen: CallContext | undefined
    get = (_, context) => {
      seen = context
      return new Promise(() => {})
    }
    const error = await failure(call({}, { deadlineMs: 0 }))
    expect(error.code).toBe(status.DEADLINE_EXCEEDED)
    expect(seen?.signal.aborted).toBe(true)
    expect(seen?.deadlineMs).toBeGreaterThan(Date.now() - 2000)
  })

  it('whose deadline passes aborts its handler', async () => {
    let abort: Promise<void> | undefined
    get = (_, { signal }) => {
      abort = new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
      return new Promise(() => {})
    }
    expect((await failure(call({}, { deadlineMs: 100 }))).code).toBe(status.DEADLINE_EXCEEDED)
    await abort
  })

  it('of a method that is not there yet is UNIMPLEMENTED, NOT_YET', async () => {
    const { path, responseDeserialize } = grpcServiceDefinition(CacheService).set
    const error = await new Promise<ServiceError>((resolve) => {
      const none = (_: MessageInitShape<typeof SetRequestSchema>) => Buffer.alloc(0)
      client.makeUnaryRequest(path, none, responseDeserialize, {}, (failed) =>
        resolve(failed as ServiceError),
      )
    })
    expect(error.code).toBe(status.UNIMPLEMENTED)
    expect(detailsOf(error).reason).toBe('NOT_YET')
  })

  it('with a message over the limit is RESOURCE_EXHAUSTED, a little over and far over', async () => {
    get = async () => create(GetResponseSchema)
    expect((await failure(call({ key: 'k'.repeat(2100) }))).code).toBe(status.RESOURCE_EXHAUSTED)
    expect((await failure(call({ key: 'k'.repeat(20_000) }))).code).toBe(status.RESOURCE_EXHAUSTED)
    expect((await call({ key: 'k'.repeat(1900) })).$typeName).toBe('perigee.v1.GetResponse')
  })

  it.each([
    ['garbage', Buffer.from([255, 255, 1])],
    ['a key that is no UTF-8', Buffer.from([0x12, 2, 0xff, 0xfe])],
    ['over a hundred groups in one another', Buffer.alloc(200, 0x1b)],
  ])('with %s for a message is INVALID_ARGUMENT, and the server lives', async (_, bytes) => {
    get = async () => create(GetResponseSchema)
    const error = await failure(call({}, { bytes }))
    expect(error.code).toBe(status.INVALID_ARGUMENT)
    expect(error.details).toContain('perigee.v1.GetRequest')
    expect(detailsOf(error).reason).toBe('INVALID_FIELD')
    await call({})
  })
})

describe('a stream', () => {
  it('is written no faster than it is read', async () => {
    let written = 0
    watch = async function* () {
      const status = { regions: Array.from({ length: 200 }, () => ({ region: 'r'.repeat(100) })) }
      for (; written < 10_000; written++) yield create(WatchStatusResponseSchema, { status })
    }
    const stream = watchCall()
    stream.once('data', () => stream.pause())
    let before = -1
    while (before !== written) {
      before = written
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(written).toBeLessThan(5000)
    stream.cancel()
    await endOf(stream)
  })

  it('ends for its handler when the caller leaves', async () => {
    const left = Promise.withResolvers<void>()
    watch = async function* (_, { signal }) {
      signal.addEventListener('abort', () => left.resolve())
      yield create(WatchStatusResponseSchema)
      await left.promise
    }
    const stream = watchCall()
    stream.on('error', () => {})
    await new Promise((resolve) => stream.once('data', resolve))
    stream.cancel()
    await left.promise
  })

  it('ends with UNAVAILABLE when the server drains, though its handler waits for ever', async () => {
    watch = async function* () {
      yield create(WatchStatusResponseSchema)
      await new Promise(() => {})
    }
    const stream = watchCall()
    await new Promise((resolve) => stream.once('data', resolve))
    const end = endOf(stream)
    const startedMs = performance.now()
    await server.drain(10_000)
    expect((await end).code).toBe(status.UNAVAILABLE)
    expect(performance.now() - startedMs).toBeLessThan(2000)
  })
})

describe('a drain', () => {
  it('lets unary calls finish', async () => {
    const release = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    get = async () => {
      entered.resolve()
      await release.promise
      return create(GetResponseSchema, { entry: { key: 'done' } })
    }
    const answer = call({})
    await entered.promise
    const drained = server.drain(10_000)
    release.resolve()
    expect((await answer).entry?.key).toBe('done')
    await drained
  })

  it('gives up what takes too long, with UNAVAILABLE', async () => {
    const entered = Promise.withResolvers<void>()
    get = () => {
      entered.resolve()
      return new Promise(() => {})
    }
    const answer = failure(call({}))
    await entered.promise
    await server.drain(50)
    expect((await answer).code).toBe(status.UNAVAILABLE)
  })
})
