/**
 * One stream of frames to one sidecar, as its caller has it: puts calls into frames, and tells each its reply.
 *
 * Invariant: each call that is waited for hears of its end exactly once: a reply, or why there is none. A failure says whether
 * the call had left this process: until then, and then alone, it was certainly not done. One that is given up is cancelled.
 */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import { STATUS } from '@perigee/core'
import { CallSlots } from './call-slots.ts'
import { type FrameReply, RequestFrameWriter, readResponseFrame } from './codec/index.ts'
import { DueTimer } from './due-timer.ts'
import { refusedStream } from './refused-stream.ts'
import { decodeStatusDetails, STATUS_DETAILS_KEY } from './status-details.ts'

/** What a call takes of a frame beside its request: its head, and lengths. */
export const HEAD_BYTES_MAX = 64
/** What 32 bits hold. */
const LONGEST_TIMEOUT_MS = 2 ** 32 - 1

const FRAME_CALLS_MAX = 128
/** Of a frame, unless less is told. */
const FRAME_BYTES_MAX = 1024 * 1024
/** Of what was written and the connection hasn't taken: beyond it calls wait here, where they can still be given up unsent. */
const UNSENT_BYTES_MAX = 1024 * 1024

/** How gRPC says that a stream has failed. */
export type StreamError = Pick<ServiceError, 'code' | 'details'> & Partial<ServiceError>

/** Why a call has no reply. */
export type CallEnd =
  /** Its time is over. `sent`: whether it had left this process. */
  | { readonly kind: 'late' | 'silent'; readonly sent: boolean }
  /** The stream ended before the call was sent, or was closed by its own side. */
  | { readonly kind: 'not-sent' | 'closed' }
  /** The sidecar, going away, didn't look at it. */
  | { readonly kind: 'not-taken'; readonly why: string }
  /** The sidecar has no such stream, or none to spare, and did nothing. */
  | { readonly kind: 'unsupported' }
  /** `refused`: whoever calls may not open such a stream, and nothing was done. `broken`: nobody knows what was done. */
  | { readonly kind: 'refused' | 'broken'; readonly error: StreamError }

/** What goes over a stream. */
export interface StreamCall {
  /** Without side effects, it may be made elsewhere too. */
  readonly read: boolean
  /** It is given up then, by `performance.now()`. */
  readonly dueMs: number
  /** How many bytes it takes of a frame at most. */
  readonly bytesMax: number
  /** The stream's; 0 until it is written. */
  id: number
  write(writer: RequestFrameWriter, id: number): void
  /** @param draining whether the sidecar takes no new calls. */
  replied(reply: FrameReply, draining: boolean): void
  /** It is due: whether it is to be waited for all the same, until it is due anew. */
  goesOn?(): boolean
  /** It has no reply. */
  ended(end: CallEnd): void
}

export class MultiplexStream {
  /** Shown when it was opened. */
  readonly token: string | undefined
  readonly #stream: ClientDuplexStream<Buffer, Buffer>
  readonly #onEnd: (unsupported: boolean) => void
  readonly #frameBytesMax: number
  readonly #writer = new RequestFrameWriter()
  readonly #slots = new CallSlots<StreamCall>()
  readonly #due = new DueTimer((nowMs) => this.#giveUpDue(nowMs))
  readonly #flushSoon = () => this.#flush()
  /** Those that wait for room. */
  readonly #queue = new Set<StreamCall>()
  #waitedFor = 0
  #unsentBytes = 0
  #flushing = false
  #heard = false
  #draining = false
  #retired = false
  #over = false

  /**
   * @param token what it was opened with.
   * @param onEnd called when it has ended; `unsupported`: calls had better be unary from now on.
   */
  constructor(
    stream: ClientDuplexStream<Buffer, Buffer>,
    token: string | undefined,
    onEnd: (unsupported: boolean) => void,
    frameBytesMax = FRAME_BYTES_MAX,
  ) {
    this.#stream = stream
    this.token = token
    this.#onEnd = onEnd
    this.#frameBytesMax = frameBytesMax
    stream.on('data', (frame: Buffer) => this.#read(frame))
    stream.on('error', (error: ServiceError) => this.#ended(error))
    stream.on('end', () => this.#ended(undefined))
  }

  /** The sidecar takes no new calls here, and ends it when those under way are answered. */
  get draining(): boolean {
    return this.#draining
  }

  /** Whether a call would be sent at once. */
  get hasRoom(): boolean {
    return this.#unsentBytes <= UNSENT_BYTES_MAX && this.#queue.size === 0
  }

  /** Takes a call, until it hears of its end or is given up. */
  send(call: StreamCall): void {
    if (this.#over || this.#draining) {
      call.ended(this.#over ? { kind: 'not-sent' } : DRAINS)
      return
    }
    this.#waitedFor += 1
    this.#due.by(call.dueMs)
    if (this.hasRoom) this.#write(call)
    else this.#queue.add(call)
  }

  /** The call won't hear of it any more. @returns whether it had been sent. */
  giveUp(call: StreamCall): boolean {
    if (this.#over) return true
    this.#waitedFor -= 1
    const sent = call.id > 0
    if (sent) {
      this.#slots.giveUp(call.id)
      this.#writer.cancel(call.id)
      this.#flushInTime()
    } else this.#queue.delete(call)
    this.#endIfDone()
    return sent
  }

  /** It gets no new calls, and ends with the last of those under way. */
  retire(): void {
    this.#retired = true
    this.#endIfDone()
  }

  /** The sidecar went silent and others can be asked: fails what has no side effects. */
  failReads(): void {
    for (const call of [...this.#slots, ...this.#queue]) {
      if (!call.read || this.#over) continue
      call.ended({ kind: 'silent', sent: this.giveUp(call) })
    }
  }

  /** Ends it at once, and every call. */
  close(): void {
    this.#end(false, (call) => call.ended({ kind: 'closed' }))
    this.#stream.cancel()
  }

  #write(call: StreamCall): void {
    if (this.#writer.byteLength + call.bytesMax > this.#frameBytesMax) this.#flush()
    call.id = this.#slots.place(call)
    call.write(this.#writer, call.id)
    if (this.#writer.calls >= FRAME_CALLS_MAX) this.#flush()
    else this.#flushInTime()
  }

  /** At the end of this turn, after all that its promises bring about. */
  #flushInTime(): void {
    if (this.#flushing) return
    this.#flushing = true
    process.nextTick(this.#flushSoon)
  }

  #flush(): void {
    this.#flushing = false
    if (this.#over || this.#writer.calls === 0) return
    const frame = this.#writer.take()
    this.#unsentBytes += frame.length
    this.#stream.write(frame, () => this.#sent(frame.length))
  }

  #sent(bytes: number): void {
    this.#unsentBytes -= bytes
    for (const call of this.#queue) {
      if (this.#over || this.#unsentBytes > UNSENT_BYTES_MAX) return
      this.#queue.delete(call)
      this.#write(call)
    }
  }

  #read(bytes: Buffer): void {
    if (this.#over) return
    this.#heard = true
    try {
      const { replies, draining } = readResponseFrame(bytes)
      if (draining) this.#drain()
      for (const reply of replies) {
        // What a call brings about may end the stream, which then has told all of them.
        if (this.#over) return
        const call = this.#slots.take(reply.id)
        if (!call) continue
        this.#waitedFor -= 1
        call.replied(reply, this.#draining)
      }
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      this.#ended({ code: STATUS.INTERNAL, details: `a frame can't be read: ${why}` })
      this.#stream.cancel()
    }
    this.#endIfDone()
  }

  #drain(): void {
    this.#draining = true
    const refused = [...this.#queue]
    this.#queue.clear()
    this.#waitedFor -= refused.length
    for (const call of refused) call.ended(DRAINS)
  }

  /** @returns when the next one is due. */
  #giveUpDue(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const call of [...this.#slots, ...this.#queue]) {
      if (this.#over) break
      if (call.dueMs > nowMs || call.goesOn?.()) nextMs = Math.min(nextMs, call.dueMs)
      else call.ended({ kind: 'late', sent: this.giveUp(call) })
    }
    return nextMs
  }

  #endIfDone(): void {
    if (!this.#retired || this.#waitedFor > 0 || this.#over) return
    this.#end(false, () => {})
    this.#stream.cancel()
  }

  #ended(error: StreamError | undefined): void {
    if (this.#over) return
    const reason = error && reasonOf(error)
    const overloaded = reason === 'OVERLOADED'
    const lacking = overloaded || (error?.code === STATUS.UNIMPLEMENTED && !reason)
    // A sidecar that drains answers all that it has taken before it ends the stream.
    const drained = error === undefined && this.#draining
    const untaken = drained ? 'it had ended the stream' : refusedStream(error)
    const broken = error ?? { code: STATUS.UNAVAILABLE, details: 'the sidecar ended the stream' }
    this.#end(NOT_THAT_WAY.has(broken.code) && !(overloaded && this.#heard), (call) => {
      if (lacking && !this.#heard) call.ended({ kind: 'unsupported' })
      else if (call.id === 0) call.ended({ kind: 'not-sent' })
      else if (untaken && (drained || !this.#heard)) call.ended({ kind: 'not-taken', why: untaken })
      else if (!this.#heard && NOT_ALLOWED.has(broken.code)) call.ended({ kind: 'refused', error: broken })
      else call.ended({ kind: 'broken', error: broken })
    })
  }

  #end(unsupported: boolean, tell: (call: StreamCall) => void): void {
    if (this.#over) return
    this.#over = true
    this.#due.stop()
    this.#onEnd(unsupported)
    for (const call of [...this.#slots, ...this.#queue]) tell(call)
  }
}

/** The sidecar has no Multiplex, or has smaller limits or other fields than this knows of. */
const NOT_THAT_WAY: ReadonlySet<number> = new Set([
  ...[STATUS.UNIMPLEMENTED, STATUS.INVALID_ARGUMENT, STATUS.RESOURCE_EXHAUSTED],
])

/** What a proxy may say of the stream as a whole. */
const NOT_ALLOWED: ReadonlySet<number> = new Set([STATUS.UNAUTHENTICATED, STATUS.PERMISSION_DENIED])

const DRAINS: CallEnd = { kind: 'not-taken', why: 'it answers only the calls that it has' }

function reasonOf({ metadata }: StreamError): string | undefined {
  const [trailer] = metadata?.get(STATUS_DETAILS_KEY) ?? []
  return trailer instanceof Buffer ? decodeStatusDetails(trailer).reason : undefined
}

/** A time as frames say it: 0, which is the sidecar's default, only for what never ends. */
export function wireTimeout(ms: number): number {
  return ms === Number.POSITIVE_INFINITY ? 0 : Math.min(Math.max(1, Math.ceil(ms)), LONGEST_TIMEOUT_MS)
}
