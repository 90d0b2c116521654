/**
 * The shortest way of a plain Set: straight into the frame of the stream that the nearest sidecar in use has open, and straight
 * from the reply to its caller, without the objects that the ordinary way makes for each call.
 *
 * Invariant: it is the ordinary call's first attempt, with its time, its load count, its session's token and its request id.
 * Whatever isn't a plain answer goes on in the ordinary way, which is told of this attempt as of one of its own; one that takes
 * long stays under way meanwhile.
 */
import {
  CacheService,
  type CallEnd,
  type FrameReply,
  HEAD_BYTES_MAX,
  type MultiplexStream,
  REPLY_FIELD,
  type RequestFrameWriter,
  type SetFields,
  type StreamCall,
  setRequestBytes,
  wireTimeout,
} from '@perigee/protocol'
import { type BegunCall, FIRST_SHARE, type SlowAttempt } from './attempt-plan.ts'
import { isRefused } from './call-token.ts'
import { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import { serviceOf } from './health-watch.ts'
import { endError, errorOf } from './multiplex-call.ts'
import { REQUEST_BYTES_MAX } from './multiplex-transport.ts'
import { aborted, PerigeeError } from './perigee-error.ts'
import { Interrupted } from './plain-get.ts'
import { QuickCalls } from './quick-calls.ts'
import type { Seen, Snapshot } from './seen.ts'
import { readSetAnswer, type SetAnswer } from './set-answer.ts'

const SERVICE = serviceOf(CacheService.method.set)

/** A Set as its caller wants it. */
export interface AskedSet {
  /** With its options, but for the session's token. */
  readonly fields: SetFields
  readonly timeoutMs: number
  /** What the session has seen that it belongs to, if any. */
  readonly session: Seen | undefined
}

/** Makes quick Sets. */
export class QuickSets extends QuickCalls {
  /** Begins one; `undefined`, and nothing has happened, when it has to go the ordinary way. */
  begin(asked: AskedSet): QuickSet | undefined {
    if (!(asked.timeoutMs > 0)) return undefined
    const endpoint = this.endpoint(SERVICE)
    const stream = endpoint && this.transport.openStream(endpoint)
    const length = stream && setRequestBytes(asked.fields)
    if (!stream || length === undefined || length > REQUEST_BYTES_MAX) return undefined
    this.began(endpoint)
    const set = new QuickSet(asked, length, this, endpoint, stream)
    stream.send(set)
    return set
  }
}

export class QuickSet implements StreamCall, SlowAttempt {
  readonly endpoint: Endpoint
  readonly startedMs = performance.now()
  readonly bytesMax: number
  /**
   * What it was answered. Whoever awaits it goes on with it, as this class is called in nobody's async context.
   */
  readonly outcome: Promise<SetAnswer | Interrupted>
  /** What the session had seen when it was sent. */
  readonly sent: Snapshot | undefined
  dueMs: number
  id = 0
  readonly #asked: AskedSet
  readonly #length: number
  readonly #sets: QuickSets
  readonly #stream: MultiplexStream
  #resolve: (outcome: SetAnswer | Interrupted) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  /** The ordinary way's, once it waits for this. */
  #takenOver:
    | { readonly answer: Promise<Buffer | undefined>; end(end: Buffer | PerigeeError | undefined): void }
    | undefined

  /** @param length of its request. */
  constructor(asked: AskedSet, length: number, sets: QuickSets, endpoint: Endpoint, stream: MultiplexStream) {
    const { timeoutMs, session } = asked
    this.#asked = asked
    this.#length = length
    this.#sets = sets
    this.#stream = stream
    this.endpoint = endpoint
    this.sent = session?.now
    this.dueMs = this.startedMs + (sets.chooser.several ? timeoutMs * FIRST_SHARE : timeoutMs)
    this.bytesMax = HEAD_BYTES_MAX + length + (this.sent?.bytes?.length ?? 0)
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get read(): boolean {
    return false
  }

  write(writer: RequestFrameWriter, id: number): void {
    const token = this.sent?.bytes
    const session = token === undefined ? 0 : writer.session(token)
    const { timeoutMs, fields } = this.#asked
    writer.set({ id, timeoutMs: wireTimeout(timeoutMs), session }, fields, this.#length)
  }

  replied(reply: FrameReply, draining: boolean): void {
    if (reply.field !== REPLY_FIELD.set) {
      this.#failed(errorOf(reply, this.endpoint, draining))
      return
    }
    // A frame's memory is that of many answers.
    if (this.#takenOver) this.#takenOver.end(Buffer.from(reply.bytes))
    else this.#answered(reply.bytes)
  }

  #answered(bytes: Buffer): void {
    let answer: SetAnswer
    try {
      answer = readSetAnswer(bytes)
    } catch (thrown) {
      this.#failed(PerigeeError.from(thrown, this.endpoint.region))
      return
    }
    this.#sets.chooser.answered(this.endpoint, SERVICE)
    this.#sets.chooser.ended(this.endpoint)
    this.#sets.transport.hold.leave()
    try {
      const token = answer.receipt?.sessionToken
      if (token?.length) this.#asked.session?.include(token, this.sent, true)
      this.#resolve(answer)
    } catch (error) {
      this.#reject(error)
    }
  }

  ended(end: CallEnd): void {
    if (end.kind === 'unsupported') this.#notThatWay()
    else this.#failed(endError(end, this.endpoint))
  }

  #failed(error: PerigeeError): void {
    // Nothing was done, and with another token it goes the ordinary way.
    const again = isRefused(error) && this.#sets.transport.refused(this.#stream.token)
    if (again) this.#notThatWay()
    else if (this.#takenOver) this.#takenOver.end(error)
    else {
      const tookMs = performance.now() - this.startedMs
      this.#goOn({ failed: { endpoint: this.endpoint, error, tookMs, wasInUse: true } })
      this.#sets.transport.hold.leave()
    }
  }

  #notThatWay(): void {
    if (this.#takenOver) {
      this.#takenOver.end(undefined)
      return
    }
    this.#goOn({})
    this.#sets.transport.hold.leave()
  }

  /** Another sidecar may do better by now, but this one may be as fast: both are waited for. */
  goesOn(): boolean {
    const endMs = this.startedMs + this.#asked.timeoutMs
    if (this.dueMs >= endMs) return false
    this.dueMs = endMs
    let end: (end: Buffer | PerigeeError | undefined) => void = () => {}
    const answer = new Promise<Buffer | undefined>((resolve, reject) => {
      end = (one) => (one instanceof PerigeeError ? reject(one) : resolve(one))
    })
    this.#takenOver = { answer, end }
    this.#goOn({ slow: this })
    return true
  }

  async answer(signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    const onAbort = () => {
      this.#stream.giveUp(this)
      if (signal) this.#takenOver?.end(aborted(signal))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await this.#takenOver?.answer
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#sets.transport.hold.leave()
    }
  }

  #goOn(begun: Omit<BegunCall, 'deadline'>): void {
    this.#sets.chooser.ended(this.endpoint)
    const restMs = this.startedMs + this.#asked.timeoutMs - performance.now()
    this.#resolve(new Interrupted({ deadline: Deadline.in(restMs), ...begun }))
  }
}
