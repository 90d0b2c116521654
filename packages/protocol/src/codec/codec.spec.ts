import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EntrySchema,
  GetRequestSchema,
  GetResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
} from '../gen/perigee/v1/cache_pb.ts'
import { type Consistency, ReadOptionsSchema, ReceiptSchema } from '../gen/perigee/v1/common_pb.ts'
import {
  CallSchema,
  MultiplexRequestSchema,
  MultiplexResponseSchema,
} from '../gen/perigee/v1/multiplex_pb.ts'
import {
  CALL_FIELD,
  type EntryFields,
  type FrameCall,
  type FrameReply,
  GetAnswerReader,
  GetRequestReader,
  MalformedFrame,
  REPLY_FIELD,
  RequestFrameWriter,
  ResponseFrameWriter,
  readRequestFrame,
  readResponseFrame,
  readSetResponse,
  SetRequestWriter,
  setRequestBytes,
} from './index.ts'
import { Pieces } from './pieces.ts'

const RUNS = 150

const uint32 = fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'grapheme', maxLength: 60 }))
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 16_000, maxLength: 17_000 }),
)
const head = fc.record({ id: uint32, timeoutMs: uint32, session: uint32 })
const receipt = fc.record({ region: text, sessionToken: bytes, warnings: fc.array(text, { maxLength: 3 }) })

const encoded = <S extends DescMessage>(schema: S, init: MessageInitShape<S>) =>
  Buffer.from(toBinary(schema, create(schema, init)))
const plain = (view: Uint8Array | undefined) => view && Array.from(view)

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

/** What a reader says of one GetRequest; `undefined`: it is left to protobuf-es. */
function readGet(frame: Buffer, reader = new GetRequestReader(frame), from = 0, to = frame.length) {
  if (!reader.read(from, to)) return undefined
  const { namespace, keyFrom, keyTo, options } = reader
  return { namespace, key: frame.toString('utf8', keyFrom, keyTo), options: plain(options) }
}

describe('a request', () => {
  it('that is a Get says what protobuf-es wrote, or is left to it, one after another', () => {
    const request = fc.record({
      namespace: fc.oneof(fc.constantFrom('a', 'b'), text),
      key: text,
      consistency: fc.option(fc.constantFrom(1, 2)),
    })
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 6 }), (requests) => {
        const wanted = requests.map(({ consistency, ...names }) => {
          const options = consistency === null ? undefined : { consistency: consistency as Consistency }
          const bytes = encoded(GetRequestSchema, { ...names, options })
          return { bytes, said: { ...names, options: plain(options && encoded(ReadOptionsSchema, options)) } }
        })
        const frame = Buffer.concat(wanted.map(({ bytes }) => bytes))
        const reader = new GetRequestReader(frame)
        let at = 0
        for (const { bytes, said } of wanted) {
          const read = readGet(frame, reader, at, at + bytes.length)
          if (read) expect(read).toEqual(said)
          else expect(said.namespace + said.key).toMatch(/[\ufffd\ufeff\uf000-\uffff\0]/)
          at += bytes.length
        }
      }),
      { numRuns: RUNS * 2 },
    )
  })

  it('that is a Get of no well-formed text, or with NUL, is left to protobuf-es', () => {
    const get = (...key: number[]) =>
      Buffer.concat([encoded(GetRequestSchema, { namespace: 'n' }), Buffer.from([0x12, key.length, ...key])])
    expect(readGet(get(0x6b))).toMatchObject({ namespace: 'n', key: 'k' })
    expect(readGet(get(0xc3, 0xa9))).toMatchObject({ key: 'é' })
    for (const key of [[0xff], [0x6b, 0xc3], [0x6b, 0], [0xc3, 0xa9, 0], [0xef, 0xbb, 0xbf, 0x6b]])
      expect(readGet(get(...key))).toBeUndefined()
    const beyond = Buffer.concat([get(0x6b), Buffer.from([0xc3])])
    expect(() => readGet(beyond, new GetRequestReader(beyond), 0, beyond.length - 2)).toThrow(MalformedFrame)
  })

  it('with a field that the contract lacks, or one twice, is left to protobuf-es', () => {
    const get = encoded(GetRequestSchema, { namespace: 'n', key: 'k' })
    expect(readGet(Buffer.concat([get, get]))).toBeUndefined()
    expect(readGet(Buffer.concat([get, Buffer.from([0x7a, 0])]))).toBeUndefined()
  })
})

describe('a Set that a client encodes', () => {
  const writer = new SetRequestWriter()
  const frames = new RequestFrameWriter()
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
        expect(setRequestBytes(set)).toBe(bytes?.length)
        if (!bytes) return
        taken.push([bytes, encoded(SetRequestSchema, init)])
        frames.set({ id: 1, timeoutMs: 2, session: 0 }, set, bytes.length)
        const [call] = readRequestFrame(frames.take()).calls
        expect(call).toMatchObject({ id: 1, timeoutMs: 2, field: CALL_FIELD.set, odd: false })
        expect(plain(call?.request)).toEqual(plain(bytes))
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

  it('that was a large frame’s is let go', () => {
    const writer = new ResponseFrameWriter()
    const sizes = [100, 4_000_000, 100, 100].map((size) => {
      writer.message(0, REPLY_FIELD.error, Buffer.alloc(size))
      const frame = writer.take()
      writer.giveBack(frame)
      return frame.buffer.byteLength
    })
    expect(sizes[1]).toBeGreaterThan(4_000_000)
    expect(sizes[2]).toBe(sizes[0])
    expect(sizes[3]).toBe(sizes[0])
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

const answers = new GetAnswerReader()

/** What of a GetResponse is read; `undefined`: it is left to protobuf-es. */
function readAnswer({ memory, from, to }: Pick<FrameReply, 'memory' | 'from' | 'to'>) {
  if (!answers.read(memory, from, to)) return undefined
  return {
    value: answers.found ? memory.subarray(answers.valueFrom, answers.valueTo) : undefined,
    receipt: memory.subarray(answers.receiptFrom, answers.receiptTo),
  }
}

function answerIn(bytes: Buffer) {
  return readAnswer({ memory: Buffer.concat([Buffer.from('before'), bytes]), from: 6, to: 6 + bytes.length })
}

/** An entry amid other memory. */
function stored({
  value,
  contentType,
  ...rest
}: {
  value: Uint8Array
  contentType: string
  epoch: number
  seq: number
  writtenAtUs: number
  expiresAtUs: number
}): EntryFields {
  const [before, type] = [Buffer.from('before'), Buffer.from(contentType)]
  const valueFrom = before.length + type.length
  const memory = Buffer.concat([before, type, value, Buffer.from('after')])
  return { ...rest, memory, typeFrom: before.length, valueFrom, valueTo: valueFrom + value.length }
}

describe('frames that a sidecar writes', () => {
  const whole = fc.oneof(fc.nat({ max: 2000 }), fc.maxSafeNat())
  const unixUs = fc.oneof(fc.nat({ max: 2 ** 31 - 1 }), fc.integer({ min: 0, max: 4_000_000_000_000_000 }))
  const entry = fc.record({
    ...{ value: bytes, contentType: text, writtenAtUs: unixUs },
    epoch: fc.oneof(fc.constantFrom(0, 1_763_848_912_345_002), whole),
    ...{ seq: whole, expiresAtUs: fc.oneof(fc.constant(0), unixUs) },
  })
  const timestamp = (us: number) => {
    const seconds = Math.floor(us / 1e6)
    return { seconds: BigInt(seconds), nanos: (us - seconds * 1e6) * 1000 }
  }

  it('are read by protobuf-es as what was put in, and by their reader', () => {
    const writer = new ResponseFrameWriter()
    const reply = fc.record({ id: uint32, key: text, entry: fc.option(entry, { nil: undefined }), receipt })
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 6 }), fc.boolean(), (replies, draining) => {
        const keys = new Pieces(Buffer.from(replies.map(({ key }) => key).join('')))
        for (const { key } of replies) {
          const from = keys.length === 0 ? 0 : keys.to(keys.length - 1)
          keys.add(from, from + Buffer.byteLength(key))
        }
        for (const [i, one] of replies.entries()) {
          writer.entry(one.id, one.entry && stored(one.entry), keys, i, encoded(ReceiptSchema, one.receipt))
        }
        if (draining) writer.draining()
        expect(writer.replies).toBe(replies.length)
        const frame = writer.take()
        const wanted = replies.map(({ id, key, entry: put, receipt }) => {
          if (!put) return { id, result: { case: 'get' as const, value: { receipt } } }
          const { value, contentType, epoch, seq, writtenAtUs, expiresAtUs } = put
          const times = {
            writtenAt: timestamp(writtenAtUs),
            ...(expiresAtUs > 0 && { expiresAt: timestamp(expiresAtUs) }),
          }
          const said = { key, value, contentType, version: `${epoch}-${seq}`, ...times }
          return { id, result: { case: 'get' as const, value: { receipt, entry: said } } }
        })
        expect(fromBinary(MultiplexResponseSchema, Uint8Array.from(frame))).toEqual(
          create(MultiplexResponseSchema, { replies: wanted, draining } as never),
        )
        const read = readResponseFrame(frame)
        expect(read.draining).toBe(draining)
        for (const [i, one] of read.replies.entries()) {
          const put = replies[i] as (typeof replies)[0]
          expect(one).toMatchObject({ id: put.id, field: REPLY_FIELD.get })
          const get = readAnswer(one)
          expect(plain(get?.value)).toEqual(plain(put.entry?.value))
          expect(plain(get?.receipt)).toEqual(plain(encoded(ReceiptSchema, put.receipt)))
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
    const entry = Buffer.concat([encoded(EntrySchema, { key: 'k', value: Buffer.from('v') }), newer])
    const response = Buffer.concat([Buffer.from([0x0a, entry.length]), entry, newer])
    expect(String(answerIn(response)?.value)).toBe('v')
    expect(answerIn(newer)).toEqual({ value: undefined, receipt: Buffer.alloc(0) })
  })

  it('with a field of an answer twice, or out of order, are left to protobuf-es', () => {
    const value = encoded(EntrySchema, { value: Buffer.from('v') })
    const entry = (bytes: Buffer) => Buffer.concat([Buffer.from([0x0a, bytes.length]), bytes])
    const receipt = encoded(GetResponseSchema, { receipt: create(ReceiptSchema, { region: 'r' }) })
    expect(answerIn(Buffer.concat([entry(value), receipt]))).toBeDefined()
    for (const parts of [
      [entry(value), entry(value)],
      [receipt, entry(value)],
      [receipt, receipt],
    ])
      expect(answerIn(Buffer.concat(parts))).toBeUndefined()
    expect(answerIn(entry(Buffer.concat([value, value])))).toBeUndefined()
    expect(() => answerIn(entry(value).subarray(0, -1))).toThrow(MalformedFrame)
  })
})

describe('an answer to a Set', () => {
  it('says what protobuf-es wrote, or is left to it', () => {
    const answer = fc.record({ version: text, receipt: fc.option(receipt, { nil: undefined }) })
    fc.assert(
      fc.property(answer, (init) => {
        const read = readSetResponse(encoded(SetResponseSchema, init))
        if (!read) return expect(init.version).toMatch(/[\ufffd\ufeff]/)
        expect(read.version).toBe(init.version)
        expect(plain(read.receipt)).toEqual(plain(init.receipt && encoded(ReceiptSchema, init.receipt)))
      }),
      { numRuns: RUNS },
    )
  })

  it('may come from a newer sidecar', () => {
    const newer = Buffer.concat([
      encoded(SetResponseSchema, { version: '1-2' }),
      Buffer.from([0x78, 1, 0x7a, 1, 0]),
    ])
    expect(readSetResponse(newer)).toEqual({ version: '1-2', receipt: undefined })
    expect(readSetResponse(Buffer.concat([newer, newer]))).toBeUndefined()
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
