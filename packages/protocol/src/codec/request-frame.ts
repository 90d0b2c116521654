import { BYTES, Cursor, textOf } from './cursor.ts'
import { CALL_FIELD } from './fields.ts'

/** What a client says of a call beside its request. */
export interface CallHead {
  /** Unique among the stream's calls in flight; 32 bits. */
  readonly id: number
  /** 0: the sidecar's default. */
  readonly timeoutMs: number
  /** Place in the frame's session tokens, from 1; 0: none. */
  readonly session: number
}

/** A call as a request frame holds it. */
export interface FrameCall extends CallHead {
  /** W3C trace context; empty: none. */
  readonly traceparent: string
  /** One of {@link CALL_FIELD}; 0: none. */
  readonly field: number
  /** It has fields not of the contract, or one twice: read `bytes` with protobuf-es. */
  readonly odd: boolean
  /** All of the frame, in which the request is from `requestFrom` to `requestTo`. */
  readonly frame: Buffer
  readonly requestFrom: number
  readonly requestTo: number
  /** The request, a view; empty when there is none. */
  readonly request: Buffer
  /** All of the call, a view. */
  readonly bytes: Buffer
}

/** What a request frame holds. */
export interface RequestFrame {
  readonly calls: readonly FrameCall[]
  readonly cancels: readonly number[]
  readonly sessionTokens: readonly Buffer[]
  /** It has fields not of the contract. */
  readonly odd: boolean
}

/** Reads what a client sent. @throws MalformedFrame */
export function readRequestFrame(frame: Buffer): RequestFrame {
  const cursor = new Cursor(frame)
  const inner = new Cursor(frame)
  const calls: FrameCall[] = []
  const cancels: number[] = []
  const sessionTokens: Buffer[] = []
  let odd = false
  while (!cursor.ended) {
    switch (cursor.tag()) {
      case 0x0a:
        cursor.field()
        calls.push(readCall(inner, cursor.from, cursor.to))
        break
      case 0x10:
        cancels.push(cursor.uint32())
        break
      case 0x12:
        cursor.field()
        inner.enter(cursor.from, cursor.to)
        while (!inner.ended) cancels.push(inner.uint32())
        break
      case 0x1a:
        sessionTokens.push(cursor.bytes())
        break
      default:
        cursor.skip()
        odd = true
    }
  }
  return { calls, cancels, sessionTokens, odd }
}

/** A call where it is: its views are made when they are asked for. */
class ReadCall implements FrameCall {
  id = 0
  timeoutMs = 0
  session = 0
  traceparent = ''
  field = 0
  odd = false
  readonly frame: Buffer
  requestFrom: number
  requestTo: number
  readonly #from: number
  readonly #to: number

  constructor(frame: Buffer, from: number, to: number) {
    this.frame = frame
    this.requestFrom = to
    this.requestTo = to
    this.#from = from
    this.#to = to
  }

  get request(): Buffer {
    return this.frame.subarray(this.requestFrom, this.requestTo)
  }

  get bytes(): Buffer {
    return this.frame.subarray(this.#from, this.#to)
  }
}

function readCall(cursor: Cursor, from: number, to: number): FrameCall {
  cursor.enter(from, to)
  const call = new ReadCall(cursor.memory, from, to)
  while (!cursor.ended) {
    const tag = cursor.tag()
    if (tag === 0x08) call.id = cursor.uint32()
    else if (tag === 0x10) call.timeoutMs = cursor.uint32()
    else if (tag === 0x18) call.session = cursor.uint32()
    else if (tag === 0x22) {
      const text = textOf(cursor.bytes())
      call.odd ||= text === undefined
      call.traceparent = text ?? ''
    } else if ((tag & 7) === BYTES && tag >>> 3 >= CALL_FIELD.get && tag >>> 3 <= CALL_FIELD.lookup) {
      call.odd ||= call.field !== 0
      call.field = tag >>> 3
      cursor.field()
      call.requestFrom = cursor.from
      call.requestTo = cursor.to
    } else {
      cursor.skip()
      call.odd = true
    }
  }
  return call
}
