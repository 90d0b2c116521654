import { BYTES, Cursor } from './cursor.ts'
import { REPLY_FIELD } from './fields.ts'

/** A reply as a response frame holds it. */
export interface FrameReply {
  readonly id: number
  /** One of {@link REPLY_FIELD}; 0: none, or none that this version knows. */
  readonly field: number
  /** Holds the result from `from` to `to`. */
  readonly memory: Buffer
  readonly from: number
  readonly to: number
  /** The result, a view. */
  readonly bytes: Buffer
}

/** What a response frame holds. */
export interface ResponseFrame {
  readonly replies: readonly FrameReply[]
  readonly draining: boolean
}

/** Reads what a sidecar sent. Fields of a newer one are passed over. @throws MalformedFrame */
export function readResponseFrame(frame: Buffer): ResponseFrame {
  const cursor = new Cursor(frame)
  const inner = new Cursor(frame)
  const replies: FrameReply[] = []
  let draining = false
  while (!cursor.ended) {
    const tag = cursor.tag()
    if (tag === 0x0a) {
      cursor.field()
      replies.push(readReply(inner, cursor.from, cursor.to))
    } else if (tag === 0x10) draining = cursor.boolean()
    else cursor.skip()
  }
  return { replies, draining }
}

/** A reply where it is: its view is made when it is asked for. */
class ReadReply implements FrameReply {
  id = 0
  field = 0
  memory: Buffer
  from: number
  to: number

  constructor(memory: Buffer, at: number) {
    this.memory = memory
    this.from = at
    this.to = at
  }

  get bytes(): Buffer {
    return this.memory.subarray(this.from, this.to)
  }
}

function readReply(cursor: Cursor, from: number, to: number): FrameReply {
  cursor.enter(from, to)
  const reply = new ReadReply(cursor.memory, to)
  while (!cursor.ended) {
    const tag = cursor.tag()
    if (tag === 0x08) reply.id = cursor.uint32()
    else if ((tag & 7) === BYTES && tag >>> 3 >= REPLY_FIELD.error && tag >>> 3 <= REPLY_FIELD.lookup) {
      cursor.field()
      if (reply.field === tag >>> 3) {
        // Two parts of one message are one message.
        reply.memory = Buffer.concat([reply.bytes, cursor.memory.subarray(cursor.from, cursor.to)])
        reply.from = 0
        reply.to = reply.memory.length
      } else {
        reply.memory = cursor.memory
        reply.from = cursor.from
        reply.to = cursor.to
      }
      reply.field = tag >>> 3
    } else cursor.skip()
  }
  return reply
}
