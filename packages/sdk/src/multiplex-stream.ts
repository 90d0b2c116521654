/**
 * One Multiplex stream to one sidecar: puts calls into frames, and tells each its reply.
 *
 * Invariant: each call that is waited for hears of its end exactly once: a reply, or why there is none. A failure says whether
 * the call had left this process: until then, and then alone, it was certainly not done. One that is given up is cancelled.
 */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import { STATUS } from '@perigee/core'
import { type FrameReply, RequestFrameWriter, readResponseFrame } from '@perigee/protocol'
import { CallSlots } from './call-slots.ts'
import { DueTimer } from './due-timer.ts'
import type { Endpoint } from './endpoint.ts'
import { PerigeeError } from './perigee-error.ts'
import { RefusedStream } from './refused-stream.ts'
import { brokeOff, callEnded, notSent, notTaken, tooLate, wentSilent } from './transport-errors.ts'

const FRAME_CALLS_MAX = 128
const FRAME_BYTES_MAX = 1024 * 1024
/** Of what was written and the connection hasn't taken: beyond it calls wait here, where they can still be given up unsent. */
const UNSENT_BYTES_MAX = 1024 * 1024

/** What goes over a stream. */
export interface StreamCall {
  readonly endpoint: Endpoint
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
  failed(error: PerigeeError): void
  /** The sidecar has no Multiplex, and did nothing. */
  unsupported(): void
}

export class MultiplexStream {
  /** Shown when it was opened. */
  readonly token: string | undefined
  readonly #stream: ClientDuplexStream<Buffer, Buffer>
  readonly #onEnd: (unsupported: boolean) => void
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
  ) {
    this.#stream = stream
    this.token = token
    this.#onEnd = onEnd
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
      call.failed(this.#over ? notSent(call.endpoint) : drains(call.endpoint))
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
      const sent = this.giveUp(call)
      const cause = sent ? callEnded(STATUS.CANCELLED, 'given up') : undefined
      call.failed(wentSilent(call.endpoint, cause))
    }
  }

  /** Ends it at once, and every call with `why`. */
  close(why: () => PerigeeError): void {
    this.#end(false, (call) => call.failed(why()))
    this.#stream.cancel()
  }

  #write(call: StreamCall): void {
    if (this.#writer.byteLength + call.bytesMax > FRAME_BYTES_MAX) this.#flush()
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
      this.#ended(callEnded(STATUS.INTERNAL, `a frame can't be read: ${why}`))
      this.#stream.cancel()
    }
    this.#endIfDone()
  }

  #drain(): void {
    this.#draining = true
    const refused = [...this.#queue]
    this.#queue.clear()
    this.#waitedFor -= refused.length
    for (const call of refused) call.failed(drains(call.endpoint))
  }

  /** @returns when the next one is due. */
  #giveUpDue(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const call of [...this.#slots, ...this.#queue]) {
      if (this.#over) break
      if (call.dueMs > nowMs) nextMs = Math.min(nextMs, call.dueMs)
      else call.failed(tooLate(call.endpoint, this.giveUp(call)))
    }
    return nextMs
  }

  #endIfDone(): void {
    if (!this.#retired || this.#waitedFor > 0 || this.#over) return
    this.#end(false, () => {})
    this.#stream.cancel()
  }

  #ended(error: ServiceError | undefined): void {
    if (this.#over) return
    const reason = error && PerigeeError.from(error).reason
    const overloaded = reason === 'OVERLOADED'
    const lacking = overloaded || (error?.code === STATUS.UNIMPLEMENTED && !reason)
    // A sidecar that drains answers all that it has taken before it ends the stream.
    const drained = error === undefined && this.#draining
    const untaken = drained ? new RefusedStream('it had ended the stream') : RefusedStream.from(error)
    const sent = error ?? callEnded(STATUS.UNAVAILABLE, 'the sidecar ended the stream')
    this.#end(NOT_THAT_WAY.has(sent.code) && !(overloaded && this.#heard), (call) => {
      if (lacking && !this.#heard) call.unsupported()
      else if (call.id === 0) call.failed(notSent(call.endpoint))
      else if (untaken && (drained || !this.#heard)) call.failed(notTaken(call.endpoint, untaken))
      else if (!this.#heard && NOT_ALLOWED.has(sent.code))
        call.failed(PerigeeError.from(sent, call.endpoint.region))
      else call.failed(brokeOff(call.endpoint, sent))
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

function drains(endpoint: Endpoint): PerigeeError {
  return notTaken(endpoint, new RefusedStream('it answers only the calls that it has'))
}
