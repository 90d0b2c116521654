import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EntrySchema,
  GetRequestSchema,
  GetResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
} from './gen/perigee/v1/cache_pb.ts'
import { type Consistency, ReadOptionsSchema, ReceiptSchema } from './gen/perigee/v1/common_pb.ts'
import { CallSchema, MultiplexRequestSchema, MultiplexResponseSchema } from './gen/perigee/v1/multiplex_pb.ts'
import {
  CALL_FIELD,
  type FrameCall,
  MalformedFrame,
  REPLY_FIELD,
  RequestFrameWriter,
  ResponseFrameWriter,
  readGetRequest,
  readGetResponse,
  readRequestFrame,
  readResponseFrame,
  readSetRequest,
  SetRequestWriter,
} from './multiplex-codec.ts'

const RUNS = 150

const uint32 = fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'grapheme', maxLength: 60 }))
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 16_000, maxLength: 17_000 }),
)
const unixMs = fc.oneof(
  fc.integer({ min: 0, max: 4_000_000_000_000 }),
  fc.double({ min: 0, max: 4_000_000_000_000, noNaN: true }),
)
const head = fc.record({ id: uint32, timeoutMs: uint32, session: uint32 })
const receipt = fc.record({ region: text, sessionToken: bytes, warnings: fc.array(text, { maxLength: 3 }) })

const encoded = <S extends DescMessage>(schema: S, init: MessageInitShape<S>) =>
  Buffer.from(toBinary(schema, create(schema, init)))
const plain = (view: Uint8Array | undefined) => view && Array.from(view)

function timestamp(ms: number) {
  const micros = Math.round(ms * 1000)
  const seconds = Math.floor(micros / 1e6)
  return { seconds: BigInt(seconds), nanos: (micros - seconds * 1e6) * 1000 }
}

const call = fc.oneof(
  fc.record({
    head,
    get: fc.record({ namespace: text, key: text, options: fc.option(fc.constantFrom(0, 1, 2)) }),
  }),
  fc.record({ head, set: fc.record({ namespace: text, key: text, value: bytes, contentType: text }) }),
)

describe('frames that a client writes', () => {
  it('are read by protobuf-es as what was put in', () => {
    const writer = new RequestFrameWriter()
    fc.assert(
      fc.property(
        fc.array(call, { maxLength: 20 }),
        fc.array(uint32, { maxLength: 5 }),
        fc.array(bytes, { maxLength: 3 }),
        (calls, cancels, tokens) => {
          const wanted = calls.map((one) => {
            if ('get' in one) {
              const { options, ...rest } = one.get
              const readOptions = options === null ? undefined : { consistency: options as Consistency }
              writer.get(one.head, {
                ...rest,
                options: readOptions && encoded(ReadOptionsSchema, readOptions),
              })
              return {
                ...one.head,
                request: { case: 'get' as const, value: { ...rest, options: readOptions } },
              }
            }
            writer.call(one.head, CALL_FIELD.set, encoded(SetRequestSchema, one.set))
            return { ...one.head, request: { case: 'set' as const, value: one.set } }
          })
          for (const id of cancels) writer.cancel(id)
          const places = tokens.map((token) => writer.session(token))
          expect(writer.calls).toBe(calls.length + cancels.length)
          const frame = fromBinary(MultiplexRequestSchema, Uint8Array.from(writer.take()))
          expect(frame.calls).toEqual(create(MultiplexRequestSchema, { calls: wanted as never }).calls)
          expect(frame.cancels).toEqual(cancels)
          expect(places.map((place) => plain(frame.sessionTokens[place - 1]))).toEqual(tokens.map(plain))
          expect(writer.calls).toBe(0)
          expect(writer.byteLength).toBe(0)
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('stay as they were taken, whatever is written after', () => {
    const writer = new RequestFrameWriter()
    const frames = Array.from({ length: 200 }, (_, i) => {
      const value = Buffer.alloc(i * 50, i)
      writer.call({ id: i, timeoutMs: 0, session: 0 }, CALL_FIELD.set, encoded(SetRequestSchema, { value }))
      return writer.take()
    })
    frames.forEach((frame, i) => {
      const value = fromBinary(MultiplexRequestSchema, frame).calls[0]?.request.value
      expect(plain((value as { value: Uint8Array }).value)).toEqual(plain(Buffer.alloc(i * 50, i)))
    })
  })

  it('carry a session once, however many calls are of it', () => {
    const writer = new RequestFrameWriter()
    const places = ['a', 'a', 'b', 'b'].map((token) => writer.session(Buffer.from(token)))
    expect(places).toEqual([1, 1, 2, 2])
    expect(readRequestFrame(writer.take()).sessionTokens.map(String)).toEqual(['a', 'b'])
  })
})

describe('frames that a sidecar reads', () => {
  it('say what protobuf-es wrote', () => {
    const message = fc.record({
      calls: fc.array(
        fc.record({
          ...{ id: uint32, timeoutMs: uint32, session: uint32, traceparent: text },
          request: fc.oneof(
            fc.record({
              case: fc.constant('get' as const),
              value: fc.record({ namespace: text, key: text }),
            }),
            fc.record({
              case: fc.constant('getChunks' as const),
              value: fc.record({ namespace: text, ids: fc.array(text, { maxLength: 3 }) }),
            }),
            fc.record({ case: fc.constant('lookup' as const), value: fc.record({ namespace: text }) }),
            fc.constant({ case: undefined }),
          ),
        }),
        { maxLength: 10 },
      ),
      ...{ cancels: fc.array(uint32, { maxLength: 5 }), sessionTokens: fc.array(bytes, { maxLength: 3 }) },
    })
    fc.assert(
      fc.property(message, (init) => {
        const wanted = create(MultiplexRequestSchema, init as never)
        const frame = readRequestFrame(Buffer.from(toBinary(MultiplexRequestSchema, wanted)))
        expect(frame.odd).toBe(false)
        expect(frame.cancels).toEqual(wanted.cancels)
        expect(frame.sessionTokens.map(plain)).toEqual(wanted.sessionTokens.map(plain))
        expect(frame.calls).toHaveLength(wanted.calls.length)
        for (const [i, read] of frame.calls.entries()) {
          const { id, timeoutMs, session, traceparent, request } = wanted.calls[i] as (typeof wanted.calls)[0]
          expect(fromBinary(CallSchema, Uint8Array.from(read.bytes))).toEqual(wanted.calls[i])
          if (read.odd) {
            expect(traceparent).toMatch(/[\ufffd\ufeff]/)
            continue
          }
          expect(read).toMatchObject({ id, timeoutMs, session, traceparent })
          expect(read.field).toBe(request.case === undefined ? 0 : CALL_FIELD[request.case])
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('tell of fields that the contract lacks', () => {
    const unknown = Buffer.from([0x78, 1])
    expect(readRequestFrame(unknown)).toMatchObject({ odd: true })
    const [read] = readRequestFrame(Buffer.concat([Buffer.from([0x0a, 2]), unknown])).calls
    expect(read).toMatchObject({ odd: true, field: 0 })
  })

  it('tell of a call that asks two things', () => {
    const writer = new RequestFrameWriter()
    writer.call({ id: 1, timeoutMs: 0, session: 0 }, CALL_FIELD.get, Buffer.alloc(0))
    const frame = writer.take()
    const twice = Buffer.concat([
      Buffer.from([0x0a, frame.length - 2 + 2]),
      frame.subarray(2),
      Buffer.from([0x3a, 0]),
    ])
    expect(readRequestFrame(twice).calls).toMatchObject([{ id: 1, odd: true }])
  })
})

describe('a request', () => {
  it.each([['namespace'], ['key']] as const)(
    'that is a Get says what protobuf-es wrote, or is left to it: %s',
    (field) => {
      fc.assert(
        fc.property(
          fc.record({ namespace: text, key: text }),
          fc.option(fc.constantFrom(1, 2)),
          (request, consistency) => {
            const options = consistency === null ? undefined : { consistency: consistency as Consistency }
            const read = readGetRequest(encoded(GetRequestSchema, { ...request, options }))
            if (!read) return expect(request.namespace + request.key).toMatch(/[\ufffd\ufeff]/)
            expect(read[field]).toBe(request[field])
            const wanted = options && encoded(ReadOptionsSchema, options)
            expect(plain(read.options)).toEqual(plain(wanted))
          },
        ),
        { numRuns: RUNS },
      )
    },
  )

  it('that is a Set says what protobuf-es wrote, or is left to it', () => {
    const request = fc.record({
      ...{ namespace: text, key: text, value: bytes, contentType: text },
      ttl: fc.option(fc.record({ seconds: fc.bigInt({ min: 0n, max: 2n ** 40n }) }), { nil: undefined }),
      options: fc.option(fc.record({ requestId: text }), { nil: undefined }),
    })
    fc.assert(
      fc.property(request, (init) => {
        const all = encoded(SetRequestSchema, init)
        const read = readSetRequest(all)
        if (!read) return expect(init.namespace + init.key + init.contentType).toMatch(/[\ufffd\ufeff]/)
        expect(read).toMatchObject({
          namespace: init.namespace,
          key: init.key,
          contentType: init.contentType,
        })
        expect(plain(read.value)).toEqual(plain(init.value))
        const { ttl, options } = fromBinary(SetRequestSchema, all)
        expect([read.ttl !== undefined, read.options !== undefined]).toEqual([
          ttl !== undefined,
          options !== undefined,
        ])
      }),
      { numRuns: RUNS },
    )
  })

  it('with a field that the contract lacks, or one twice, is left to protobuf-es', () => {
    const get = encoded(GetRequestSchema, { namespace: 'n', key: 'k' })
    expect(readGetRequest(Buffer.concat([get, get]))).toBeUndefined()
    expect(readGetRequest(Buffer.concat([get, Buffer.from([0x7a, 0])]))).toBeUndefined()
    expect(readSetRequest(Buffer.concat([get, Buffer.from([0x78, 1])]))).toBeUndefined()
  })
})

describe('a Set that a client encodes', () => {
  const writer = new SetRequestWriter()
  const text = fc.oneof(
    { weight: 8, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 200 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 60 }) },
  )
  const seconds = fc.bigInt({ min: -2n, max: 2n ** 41n })
  const nanos = fc.integer({ min: -1, max: 999_999_999 })
  const request = fc.record({
    ...{ namespace: text, key: text, value: bytes, contentType: text },
    ttl: fc.option(fc.record({ seconds, nanos }), { nil: undefined }),
    options: fc.option(fc.record({ durability: fc.constantFrom(0, 1, 2), requestId: text }), {
      nil: undefined,
    }),
  })

  it('has the bytes that protobuf-es gives it, or is left to it', () => {
    const taken: [Buffer, Buffer][] = []
    fc.assert(
      fc.property(request, (init) => {
        const set = create(SetRequestSchema, init)
        const bytes = writer.write(set)
        const { namespace, key, contentType, ttl, options } = init
        const ascii = /^\p{ASCII}*$/u.test(namespace + key + contentType + (options?.requestId ?? ''))
        const lasts = !ttl || (ttl.seconds >= 0n && ttl.seconds <= 2n ** 40n && ttl.nanos >= 0)
        expect(bytes !== undefined).toBe(ascii && lasts)
        if (bytes) taken.push([bytes, encoded(SetRequestSchema, init)])
      }),
      { numRuns: RUNS },
    )
    expect(taken.length).toBeGreaterThan(RUNS / 10)
    // Also after what was written later.
    for (const [bytes, wanted] of taken) expect(bytes.equals(wanted)).toBe(true)
  })

  it('is left to protobuf-es with a precondition, a large value, and what is no text or no bytes', () => {
    const set = { namespace: 'n', key: 'k', value: new Uint8Array(1), contentType: '' }
    expect(writer.write(set)).toBeDefined()
    expect(writer.write({ ...set, precondition: {} })).toBeUndefined()
    expect(writer.write({ ...set, value: new Uint8Array(64 * 1024 + 1) })).toBeUndefined()
    expect(writer.write({ ...set, value: 'v' as never })).toBeUndefined()
    expect(writer.write({ ...set, contentType: undefined as never })).toBeUndefined()
  })
})

describe('the memory of frames', () => {
  it('is used again once they are given back, and not before, in whatever order that is', () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 200_000 }), fc.nat({ max: 5 })), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(sizes, (frames) => {
        const writer = new ResponseFrameWriter()
        const out: { frame: Buffer; byte: number }[] = []
        for (const [i, [size, back]] of frames.entries()) {
          writer.message(0, REPLY_FIELD.error, Buffer.alloc(size, i))
          out.push({ frame: writer.take(), byte: i })
          for (const one of out.splice(0, back)) writer.giveBack(one.frame)
          for (const { frame, byte } of out) {
            const [reply] = readResponseFrame(frame).replies
            expect(reply?.bytes.every((b) => b === byte)).toBe(true)
          }
        }
      }),
      { numRuns: 50 },
    )
  })

  it('is the same for frame after frame', () => {
    const writer = new ResponseFrameWriter()
    const memories = new Set<ArrayBufferLike>()
    for (let i = 0; i < 100; i++) {
      writer.message(0, REPLY_FIELD.error, Buffer.alloc(100_000))
      const frame = writer.take()
      memories.add(frame.buffer)
      writer.giveBack(frame)
    }
    expect(memories.size).toBe(1)
  })
})

describe('frames that a sidecar writes', () => {
  const entry = fc.record({
    ...{ key: text, value: bytes, contentType: text, writtenAtMs: unixMs },
    version: fc.tuple(uint32, uint32).map(([epoch, seq]) => `${epoch}-${seq}`),
    expiresAtMs: fc.option(unixMs, { nil: undefined }),
  })

  it('are read by protobuf-es as what was put in, and by their reader', () => {
    const writer = new ResponseFrameWriter()
    const reply = fc.record({ id: uint32, entry: fc.option(entry, { nil: undefined }), receipt })
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 10 }), fc.boolean(), (replies, draining) => {
        for (const one of replies) writer.entry(one.id, one.entry, encoded(ReceiptSchema, one.receipt))
        if (draining) writer.draining()
        expect(writer.replies).toBe(replies.length)
        const frame = writer.take()
        const wanted = replies.map(({ id, entry: put, receipt }) => {
          const { writtenAtMs = 0, expiresAtMs, ...rest } = put ?? {}
          const times = {
            writtenAt: timestamp(writtenAtMs),
            ...(expiresAtMs !== undefined && { expiresAt: timestamp(expiresAtMs) }),
          }
          const value = { receipt, ...(put && { entry: { ...rest, ...times } }) }
          return { id, result: { case: 'get' as const, value } }
        })
        expect(fromBinary(MultiplexResponseSchema, Uint8Array.from(frame))).toEqual(
          create(MultiplexResponseSchema, { replies: wanted, draining } as never),
        )
        const read = readResponseFrame(frame)
        expect(read.draining).toBe(draining)
        for (const [i, one] of read.replies.entries()) {
          const put = replies[i] as (typeof replies)[0]
          expect(one).toMatchObject({ id: put.id, field: REPLY_FIELD.get })
          const get = readGetResponse(one.bytes)
          if (!get) {
            expect(put.entry?.contentType).toMatch(/[\ufffd\ufeff]/)
            continue
          }
          expect(plain(get.entry?.value)).toEqual(plain(put.entry?.value))
          expect(get.entry?.contentType).toBe(put.entry?.contentType)
          expect(plain(get.receipt)).toEqual(plain(encoded(ReceiptSchema, put.receipt)))
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('carry the answers of Sets, and those of all other kinds as protobuf-es encodes them', () => {
    const writer = new ResponseFrameWriter()
    writer.set(7, '3-9', encoded(ReceiptSchema, { region: 'eu-west-1' }))
    writer.message(8, REPLY_FIELD.set, encoded(SetResponseSchema, { version: '1-1' }))
    const { replies } = fromBinary(MultiplexResponseSchema, Uint8Array.from(writer.take()))
    expect(
      replies.map(({ id, result }) => [id, result.case, (result.value as { version: string }).version]),
    ).toEqual([
      [7, 'set', '3-9'],
      [8, 'set', '1-1'],
    ])
  })

  it('may come from a newer sidecar', () => {
    const newer = Buffer.from([0x78, 1])
    expect(readResponseFrame(newer)).toEqual({ replies: [], draining: false })
    const response = encoded(GetResponseSchema, { entry: create(EntrySchema, { value: Buffer.from('v') }) })
    expect(String(readGetResponse(Buffer.concat([response, newer]))?.entry?.value)).toBe('v')
  })
})

describe('bytes that are no frame', () => {
  const frame = fc
    .record({ id: uint32, key: text, value: bytes, token: bytes })
    .map(({ id, key, value, token }) => {
      const writer = new RequestFrameWriter()
      const session = writer.session(token)
      writer.get({ id, timeoutMs: 5, session }, { namespace: 'n', key })
      writer.call({ id, timeoutMs: 5, session }, CALL_FIELD.set, encoded(SetRequestSchema, { key, value }))
      return writer.take()
    })

  it('are refused as such, and never read otherwise than protobuf-es does', () => {
    fc.assert(
      fc.property(
        frame,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        fc.nat(),
        (whole, changes, cut) => {
          const bytes = Buffer.from(whole.subarray(0, cut % 3 === 0 ? cut % whole.length : whole.length))
          for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte
          for (const read of [readRequestFrame, readResponseFrame]) {
            try {
              read(bytes)
            } catch (error) {
              expect(error).toBeInstanceOf(MalformedFrame)
            }
          }
          const ours = attempt(() => readRequestFrame(bytes))
          if (!ours || ours.odd) return
          const theirs = attempt(() => fromBinary(MultiplexRequestSchema, bytes))
          // What is inside of a request is its own reader's business; there protobuf-es may read on past a message's end.
          const wellFormed = (call: FrameCall) =>
            attempt(() => fromBinary(CallSchema, Uint8Array.from(call.bytes)))
          if (!theirs || !ours.calls.every(wellFormed)) return
          expect(ours.cancels).toEqual(theirs.cancels)
          ours.calls.forEach((read, i) => {
            if (!read.odd) expect(read).toMatchObject(pick(theirs.calls[i] as never))
          })
        },
      ),
      { numRuns: RUNS * 5 },
    )
  })
})

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function pick({ id, timeoutMs, session }: { id: number; timeoutMs: number; session: number }) {
  return { id, timeoutMs, session }
}
