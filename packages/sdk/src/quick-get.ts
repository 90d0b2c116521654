/**
 * The shortest way of a plain Get: straight into the frame of the stream that the nearest sidecar in use has open, and straight
 * from the reply to its caller, without the objects that the ordinary way makes for each call.
 *
 * Invariant: it is the ordinary call's first attempt, with its time, its load count and its session's token. Whatever isn't a plain
 * answer goes on in the ordinary way, which is told of this attempt as of one of its own.
 */
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  CacheService,
  type CallEnd,
  type FrameReply,
  GetAnswerReader,
  GetResponseSchema,
  HEAD_BYTES_MAX,
  REPLY_FIELD,
  ReceiptSchema,
  type RequestFrameWriter,
  type StreamCall,
  wireTimeout,
} from '@perigee/protocol'
import { type BegunCall, FIRST_SHARE } from './attempt-plan.ts'
import { isRefused } from './call-token.ts'
import { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import { serviceOf } from './health-watch.ts'
import { endError, errorOf } from './multiplex-call.ts'
import { PerigeeError } from './perigee-error.ts'
import { QuickCalls } from './quick-calls.ts'

const SERVICE = serviceOf(CacheService.method.get)
/** Longer ones go the ordinary way, which says what is wrong with them. */
const NAME_LENGTH_MAX = 2_048

/** One for all, as nothing is kept of it. */
const answer = new GetAnswerReader()

/** What a Get asks for, and who hears of its end, once. */
export interface QuickGetPlan {
  readonly namespace: string
  readonly key: string
  /** Encoded `ReadOptions` without a token; `undefined`: none. */
  readonly options: Uint8Array | undefined
  readonly token: Uint8Array | undefined
  readonly timeoutMs: number
  /** Whether it takes the receipt. */
  readonly takesReceipt: boolean
  /** @param value a view of the frame; `undefined`: a miss. @param receipt likewise, encoded, if it is taken. */
  answered(value: Uint8Array | undefined, receipt: Uint8Array | undefined): void
  /** It goes on in the ordinary way. @param begun what has happened so far; `undefined`: nothing. */
  goOn(begun: BegunCall | undefined): void
}

/** Makes quick Gets. */
export class QuickGets extends QuickCalls {
  /** Begins one; false, and nothing has happened, when it has to go the ordinary way. */
  begin(plan: QuickGetPlan): boolean {
    const { namespace, key, timeoutMs } = plan
    if (!isPlain(namespace) || !isPlain(key) || !(timeoutMs > 0)) return false
    const endpoint = this.endpoint(SERVICE)
    const stream = endpoint && this.transport.openStream(endpoint)
    if (!stream) return false
    this.began(endpoint)
    stream.send(new QuickGet(plan, endpoint, this, stream.token))
    return true
  }
}

function isPlain(name: string): boolean {
  return typeof name === 'string' && name.length <= NAME_LENGTH_MAX && name.isWellFormed()
}

class QuickGet implements StreamCall {
  readonly endpoint: Endpoint
  readonly dueMs: number
  readonly bytesMax: number
  id = 0
  readonly #plan: QuickGetPlan
  readonly #gets: QuickGets
  readonly #token: string | undefined
  readonly #startedMs = performance.now()
  /** Until it has to be answered, or another sidecar may do better. */
  readonly #attemptMs: number

  /** @param token of the stream that it goes over. */
  constructor(plan: QuickGetPlan, endpoint: Endpoint, gets: QuickGets, token: string | undefined) {
    this.#token = token
    this.#plan = plan
    this.endpoint = endpoint
    this.#gets = gets
    this.#attemptMs = gets.chooser.several ? plan.timeoutMs * FIRST_SHARE : plan.timeoutMs
    this.dueMs = this.#startedMs + this.#attemptMs
    this.bytesMax = HEAD_BYTES_MAX + 3 * (plan.namespace.length + plan.key.length) + (plan.token?.length ?? 0)
  }

  get read(): boolean {
    return true
  }

  write(writer: RequestFrameWriter, id: number): void {
    const { token } = this.#plan
    const session = token === undefined ? 0 : writer.session(token)
    writer.get({ id, timeoutMs: wireTimeout(this.#attemptMs), session }, this.#plan)
  }

  replied(reply: FrameReply, draining: boolean): void {
    if (reply.field !== REPLY_FIELD.get) {
      this.#failed(errorOf(reply, this.endpoint, draining))
      return
    }
    let value: Uint8Array | undefined
    let receipt: Uint8Array | undefined
    try {
      const { memory, from, to } = reply
      if (answer.read(memory, from, to)) {
        if (answer.found) value = memory.subarray(answer.valueFrom, answer.valueTo)
        if (this.#plan.takesReceipt) receipt = memory.subarray(answer.receiptFrom, answer.receiptTo)
      } else {
        const read = fromBinary(GetResponseSchema, reply.bytes)
        value = read.entry?.value
        receipt = read.receipt && toBinary(ReceiptSchema, read.receipt)
      }
    } catch (thrown) {
      this.#failed(PerigeeError.from(thrown, this.endpoint.region))
      return
    }
    this.#gets.chooser.answered(this.endpoint, SERVICE)
    this.#ended()
    this.#plan.answered(value, receipt)
  }

  ended(end: CallEnd): void {
    if (end.kind !== 'unsupported') this.#failed(endError(end, this.endpoint))
    else {
      this.#ended()
      this.#plan.goOn(undefined)
    }
  }

  #failed(error: PerigeeError): void {
    const tookMs = performance.now() - this.#startedMs
    this.#ended()
    // Nothing was done, and with another token it goes the ordinary way.
    if (isRefused(error) && this.#gets.transport.refused(this.#token)) {
      this.#plan.goOn(undefined)
      return
    }
    const wasInUse = true
    const deadline = Deadline.in(this.#plan.timeoutMs - tookMs)
    this.#plan.goOn({ deadline, failed: { endpoint: this.endpoint, error, tookMs, wasInUse } })
  }

  #ended(): void {
    this.#gets.chooser.ended(this.endpoint)
    this.#gets.transport.hold.leave()
  }
}
