import { gzipSync } from 'node:zlib'
import { create, toBinary } from '@bufbuild/protobuf'
import { CacheService, GetRequestSchema, MultiplexService, SetRequestSchema } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RawAnswer, rawCall } from './raw-call.ts'
import { message, RawConnection } from './raw-http2.ts'
import { Siege } from './siege.ts'

const MIB = 1024 * 1024
/** How much more memory a sidecar may have after an attack. */
const GROWN_MIB_MAX = 50
const GZIP = { 'grpc-encoding': 'gzip' }
const NO_GZIP = Buffer.from('this is no gzip at all')
const SET = `/${CacheService.typeName}/Set`
const GET = `/${CacheService.typeName}/Get`
const get = toBinary(GetRequestSchema, create(GetRequestSchema, { namespace: 'siege', key: 'kept' }))
const setOf = (bytes: number) =>
  toBinary(
    SetRequestSchema,
    create(SetRequestSchema, { namespace: 'siege', key: 'k', value: new Uint8Array(bytes) }),
  )

let siege: Siege

beforeAll(async () => {
  siege = await Siege.start()
})

afterAll(() => siege?.[Symbol.asyncDispose]())

/** Makes the same call many times, one after another, and says how it ended, which must be the same each time. */
async function answersTo(times: number, path: string, body: Uint8Array, headers = {}) {
  const answers: RawAnswer[] = []
  const damage = await siege.during(async () => {
    for (let i = 0; i < times; i++) answers.push(await rawCall(siege.address, { path, body, headers }))
  })
  expect(new Set(answers.map(({ status }) => status)).size).toBe(1)
  return { answer: answers[0] as RawAnswer, slowestMs: Math.max(...answers.map((a) => a.tookMs)), damage }
}

describe('too much in one message', () => {
  it.each([
    ['of 5 MiB', message(setOf(5 * MIB)), {}],
    ['that claims 2 GiB', message(get, { claimed: 2 ** 31 }), {}],
    [
      'of 500 KB of gzip that unpacks to 500 MB',
      message(gzipSync(Buffer.alloc(500 * MIB), { level: 9 }), { compressed: true }),
      GZIP,
    ],
  ])('%s is RESOURCE_EXHAUSTED at once, and nobody pays for it', async (_, body, headers) => {
    const { answer, slowestMs, damage } = await answersTo(5, SET, body, headers)
    expect(answer.status).toBe('RESOURCE_EXHAUSTED')
    expect(slowestMs).toBeLessThan(2000)
    expect(damage.failures).toEqual([])
    expect(damage.keptMib).toBeLessThan(GROWN_MIB_MAX)
  })
})

describe('what is no message', () => {
  it.each([
    ['corrupt gzip', 'INVALID_ARGUMENT', message(NO_GZIP, { compressed: true }), GZIP],
    [
      'gzip that is cut',
      'INVALID_ARGUMENT',
      message(gzipSync(get).subarray(0, -6), { compressed: true }),
      GZIP,
    ],
    [
      'corrupt deflate',
      'INVALID_ARGUMENT',
      message(NO_GZIP, { compressed: true }),
      { 'grpc-encoding': 'deflate' },
    ],
    ['a timeout that is none', 'INVALID_ARGUMENT', message(get), { 'grpc-timeout': 'soon' }],
    ['a timeout in the past', 'INVALID_ARGUMENT', message(get), { 'grpc-timeout': '-1S' }],
    ['an unknown encoding', 'UNIMPLEMENTED', message(get, { compressed: true }), { 'grpc-encoding': 'x' }],
    ['garbage', 'INVALID_ARGUMENT', message(Buffer.from([0xff, 0xff, 0xff, 1])), {}],
    ['nothing at all', 'UNIMPLEMENTED', Buffer.alloc(0), {}],
    ['two for one', 'UNIMPLEMENTED', Buffer.concat([message(get), message(get)]), {}],
  ])('%s is %s, and the sidecar goes on', async (_, status, body, headers) => {
    const { answer, damage } = await answersTo(20, GET, body, headers)
    expect(answer.status).toBe(status)
    expect(answer.reason).toBe(status === 'INVALID_ARGUMENT' ? 'INVALID_FIELD' : undefined)
    expect(damage.failures).toEqual([])
  })

  it('sound gzip, and a deadline in years, are taken', async () => {
    const gzip = await answersTo(2, GET, message(gzipSync(get), { compressed: true }), GZIP)
    const years = await answersTo(2, GET, message(get), { 'grpc-timeout': '99999H' })
    expect([gzip.answer.status, years.answer.status]).toEqual(['OK', 'OK'])
  })

  it('on a Multiplex stream ends that with INVALID_ARGUMENT', async () => {
    const body = message(NO_GZIP, { compressed: true })
    const { answer } = await answersTo(5, `/${MultiplexService.typeName}/Multiplex`, body, GZIP)
    expect([answer.status, answer.reason]).toEqual(['INVALID_ARGUMENT', 'INVALID_FIELD'])
  })

  it('an unknown method is UNIMPLEMENTED, another content type HTTP 415, HTTP/1 hung up on', async () => {
    const body = message(get)
    const unknown = await answersTo(20, '/perigee.v1.CacheService/Nothing', body)
    const json = await answersTo(20, GET, body, { 'content-type': 'application/json' })
    expect([unknown.answer.status, json.answer.http]).toEqual(['UNIMPLEMENTED', 415])
    const { failures } = await siege.during(async () => {
      using plain = new RawConnection({ host: siege.host, port: siege.port, from: '127.0.0.66' })
      plain.write('GET / HTTP/1.1\r\nHost: sidecar\r\n\r\n')
      await plain.closed
    })
    expect([...unknown.damage.failures, ...json.damage.failures, ...failures]).toEqual([])
  })

  it('headers over 16 KiB end the call, not the sidecar', async () => {
    const { answer, damage } = await answersTo(20, GET, message(get), { 'x-large': 'v'.repeat(17_000) })
    expect(answer.status).toBe('RESOURCE_EXHAUSTED')
    expect(answer.message).toContain('16384')
    expect(damage.failures).toEqual([])
  })
})
