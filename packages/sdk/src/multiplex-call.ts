import { type DescMethod, type Message, toBinary } from '@bufbuild/protobuf'
import { STATUS } from '@perigee/core'
import {
  CacheService,
  decodeStatus,
  type FrameReply,
  REPLY_FIELD,
  type RequestFrameWriter,
  type SetRequest,
  SetRequestWriter,
} from '@perigee/protocol'
import type { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import type { MultiplexedMethod } from './multiplex-methods.ts'
import type { StreamCall } from './multiplex-stream.ts'
import { PerigeeError } from './perigee-error.ts'
import { RefusedStream } from './refused-stream.ts'
import { callEnded, notTaken } from './transport-errors.ts'

/** Beside its request: its head, and lengths. */
export const HEAD_BYTES_MAX = 64
/** What 32 bits hold. */
const LONGEST_TIMEOUT_MS = 2 ** 32 - 1

/** A request as frames carry it: the session's token apart, which the calls of one session share. */
export interface FramedRequest {
  readonly bytes: Uint8Array
  readonly token: Uint8Array | undefined
}

const sets = new SetRequestWriter()

/** Encodes a request without its session token. */
export function framedRequest(method: DescMethod, request: Message): FramedRequest {
  const { options } = request as { options?: Message & { sessionToken?: Uint8Array } }
  const token = options?.sessionToken
  const set = method === CacheService.method.set ? sets.write(request as SetRequest) : undefined
  if (set) return { bytes: set, token: token?.length ? token : undefined }
  if (!token?.length) return { bytes: toBinary(method.input, request), token: undefined }
  const without = { ...request, options: { ...options, sessionToken: new Uint8Array() } }
  return { bytes: toBinary(method.input, without), token }
}

/** One call over a stream, until its answer's bytes are there. */
export class MultiplexCall implements StreamCall {
  readonly endpoint: Endpoint
  readonly read: boolean
  readonly dueMs: number
  readonly bytesMax: number
  id = 0
  readonly #method: MultiplexedMethod
  readonly #request: FramedRequest
  readonly #settle: {
    resolve(answer: Buffer | undefined): void
    reject(error: PerigeeError): void
  }

  /** @param settle given the answer, `undefined` when the sidecar has no Multiplex. */
  constructor(
    call: {
      readonly endpoint: Endpoint
      readonly read: boolean
      readonly deadline: Deadline
      readonly method: MultiplexedMethod
      readonly request: FramedRequest
    },
    settle: { resolve(answer: Buffer | undefined): void; reject(error: PerigeeError): void },
  ) {
    this.endpoint = call.endpoint
    this.read = call.read
    this.dueMs = performance.now() + call.deadline.remainingMs
    this.#method = call.method
    this.#request = call.request
    this.#settle = settle
    this.bytesMax = HEAD_BYTES_MAX + call.request.bytes.length + (call.request.token?.length ?? 0)
  }

  write(writer: RequestFrameWriter, id: number): void {
    const { bytes, token } = this.#request
    const session = token ? writer.session(token) : 0
    writer.call(
      { id, timeoutMs: wireTimeout(this.dueMs - performance.now()), session },
      this.#method.callField,
      bytes,
    )
  }

  replied({ field, bytes }: FrameReply, draining: boolean): void {
    // A frame's memory is that of many answers.
    if (field === this.#method.replyField) this.#settle.resolve(Buffer.from(bytes))
    else this.#settle.reject(errorOf({ field, bytes }, this.endpoint, draining))
  }

  failed(error: PerigeeError): void {
    this.#settle.reject(error)
  }

  unsupported(): void {
    this.#settle.resolve(undefined)
  }
}

/** A time as frames say it: 0, which is the sidecar's default, only for what never ends. */
export function wireTimeout(ms: number): number {
  return ms === Number.POSITIVE_INFINITY ? 0 : Math.min(Math.max(1, Math.ceil(ms)), LONGEST_TIMEOUT_MS)
}

/** The error that a reply stands for which isn't the answer asked for. */
export function errorOf(
  { field, bytes }: Pick<FrameReply, 'field' | 'bytes'>,
  endpoint: Endpoint,
  draining: boolean,
): PerigeeError {
  const told = field === REPLY_FIELD.error ? statusOf(bytes) : undefined
  const { code, message } = told ?? {
    code: STATUS.INTERNAL,
    message: `the sidecar at ${endpoint.address} gave another answer than was asked`,
  }
  const error = PerigeeError.from(callEnded(code, message, Buffer.from(bytes)), endpoint.region)
  // One that is taken fails with a reason; this one wasn't.
  const refused = draining && error.code === 'UNAVAILABLE' && error.reason === undefined
  return refused ? notTaken(endpoint, new RefusedStream(message)) : error
}

function statusOf(bytes: Buffer): { readonly code: number; readonly message: string } | undefined {
  try {
    return decodeStatus(bytes)
  } catch {
    return undefined
  }
}
