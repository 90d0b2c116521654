import { type DescMethod, type Message, toBinary } from '@bufbuild/protobuf'
import { STATUS } from '@perigee/core'
import {
  CacheService,
  type CallEnd,
  decodeStatus,
  type FrameReply,
  HEAD_BYTES_MAX,
  REPLY_FIELD,
  type RequestFrameWriter,
  type SearchRequest,
  SearchService,
  type SetRequest,
  SetRequestWriter,
  type StreamCall,
  searchRequestBytes,
  wireTimeout,
} from '@perigee/protocol'
import type { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import type { MultiplexedMethod } from './multiplex-methods.ts'
import { PerigeeError } from './perigee-error.ts'
import { RefusedStream } from './refused-stream.ts'
import {
  brokeOff,
  callEnded,
  closedError,
  notSent,
  notTaken,
  tooLate,
  wentSilent,
} from './transport-errors.ts'

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
  if (!token?.length) return { bytes: requestBytes(method, request), token: undefined }
  const without = { ...request, options: { ...options, sessionToken: new Uint8Array() } }
  return { bytes: requestBytes(method, without), token }
}

function requestBytes(method: DescMethod, request: Message): Uint8Array {
  return method === SearchService.method.search
    ? searchRequestBytes(request as SearchRequest)
    : toBinary(method.input, request)
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

  /** @param settle given the answer, a view of its frame; `undefined` when the sidecar has no Multiplex. */
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
    if (field === this.#method.replyField) this.#settle.resolve(bytes)
    else this.#settle.reject(errorOf({ field, bytes }, this.endpoint, draining))
  }

  ended(end: CallEnd): void {
    if (end.kind === 'unsupported') this.#settle.resolve(undefined)
    else this.#settle.reject(endError(end, this.endpoint))
  }
}

/** The error of a call that has no reply. */
export function endError(
  end: Exclude<CallEnd, { readonly kind: 'unsupported' }>,
  endpoint: Endpoint,
): PerigeeError {
  switch (end.kind) {
    case 'late':
      return tooLate(endpoint, end.sent)
    case 'silent':
      return wentSilent(endpoint, end.sent ? callEnded(STATUS.CANCELLED, 'given up') : undefined)
    case 'not-sent':
      return notSent(endpoint)
    case 'closed':
      return closedError()
    case 'not-taken':
      return notTaken(endpoint, new RefusedStream(end.why))
    case 'refused':
      return PerigeeError.from(end.error, endpoint.region)
    case 'broken': {
      const { error } = end
      return brokeOff(endpoint, error instanceof Error ? error : callEnded(error.code, error.details))
    }
  }
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
