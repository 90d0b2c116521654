/**
 * Calls passed on to one address of the primary's sidecars, over one stream, several to a frame.
 *
 * Invariant: what comes back of a call says whether it may have been done, as for a unary call. It is `undefined` only where
 * the peer surely did nothing: then the call can be made unary, as if there were no stream.
 */
import { Metadata } from '@grpc/grpc-js'
import { STATUS } from '@perigee/core'
import {
  type CallEnd,
  decodeStatus,
  FORWARD_FIELD,
  type FrameReply,
  HEAD_BYTES_MAX,
  MultiplexRoute,
  type MultiplexStream,
  PeerService,
  REPLY_FIELD,
  type RequestFrameWriter,
  type StreamCall,
  wireTimeout,
} from '@perigee/protocol'
import { methodName } from './call.ts'
import type { PeerConnection } from './peer-connection.ts'
import { PeerUnreachable, peerError } from './peer-error.ts'

/** Larger requests go by themselves: they gain nothing from sharing a frame, and others would wait for them. */
const STREAMED_BYTES_MAX = 32 * 1024
/** A peer has room for so large a frame when it has none for clients (`traffic/guarded-stream.ts`). */
const FRAME_BYTES_MAX = 48 * 1024
/** For how long calls go unary where a stream was refused that showed the same. */
const REFUSED_MS = 10_000

const PATH = `/${methodName(PeerService.method.forwardMany)}`

/** What is passed on, and how long for. */
export interface Forwarding {
  readonly region: string
  /** What shows that this is a sidecar. */
  readonly token: string | undefined
  /** An encoded `ForwardRequest`. */
  readonly request: Uint8Array
  /** Unix milliseconds. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

/** The streams to one address. */
export class ForwardStreams {
  readonly #route: MultiplexRoute<PeerConnection>
  readonly #requestBytesMax: number
  #refused: { readonly token: string | undefined; readonly untilMs: number } | undefined

  /** @param messageBytesMax what the other sidecars take of a message, as this one does. */
  constructor(messageBytesMax: number) {
    this.#requestBytesMax = Math.min(STREAMED_BYTES_MAX, messageBytesMax)
    this.#route = new MultiplexRoute(
      ({ client }, token) => client.makeBidiStreamRequest(PATH, asIs, asIs, metadataOf(token)),
      Math.min(FRAME_BYTES_MAX, messageBytesMax),
    )
  }

  /**
   * Passes a call on over a connection that is ready.
   *
   * @returns the encoded `ForwardResponse`; `undefined`: it is to be made unary, and surely wasn't done.
   * @throws StatusError as the peer answered it; PeerUnreachable when it didn't.
   */
  async call(connection: PeerConnection, forwarding: Forwarding): Promise<Uint8Array | undefined> {
    const { region, request, token, deadlineMs, signal } = forwarding
    if (request.length > this.#requestBytesMax || this.#isRefused(token)) return undefined
    const stream = this.#route.stream(connection, token)
    if (!stream || stream.draining) return undefined
    if (signal?.aborted) throw new PeerUnreachable(region, false, 'the caller gave up')
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome) => {
        signal?.removeEventListener('abort', giveUp)
        if (outcome === 'refused') this.#refuse(stream, token)
        if (outcome instanceof Error) reject(outcome)
        else resolve(typeof outcome === 'string' ? undefined : outcome)
      }
      const giveUp = () => settle(new PeerUnreachable(region, stream.giveUp(call), 'the caller gave up'))
      const call = new ForwardedCall(
        { region, request, dueMs: performance.now() + deadlineMs - Date.now() },
        settle,
      )
      signal?.addEventListener('abort', giveUp, { once: true })
      stream.send(call)
    })
  }

  /** Ends all calls. */
  close(): void {
    this.#route.close()
  }

  /** What a stream was opened with is good no longer, be it its token or its connection's certificate. */
  #refuse(stream: MultiplexStream, token: string | undefined): void {
    this.#route.replace(stream)
    this.#refused = { token, untilMs: performance.now() + REFUSED_MS }
  }

  #isRefused(token: string | undefined): boolean {
    if (!this.#refused) return false
    if (this.#refused.token === token && performance.now() < this.#refused.untilMs) return true
    this.#refused = undefined
    return false
  }
}

/** The encoded response, or why there is none; `not-done` and `refused` say that surely nothing was done. */
type Outcome = Uint8Array | Error | 'not-done' | 'refused'

class ForwardedCall implements StreamCall {
  readonly read = false
  readonly dueMs: number
  readonly bytesMax: number
  id = 0
  readonly #region: string
  readonly #request: Uint8Array
  readonly #settle: (outcome: Outcome) => void

  constructor(
    asked: { region: string; request: Uint8Array; dueMs: number },
    settle: (outcome: Outcome) => void,
  ) {
    this.#region = asked.region
    this.#request = asked.request
    this.dueMs = asked.dueMs
    this.bytesMax = HEAD_BYTES_MAX + asked.request.length
    this.#settle = settle
  }

  write(writer: RequestFrameWriter, id: number): void {
    const timeoutMs = wireTimeout(this.dueMs - performance.now())
    writer.call({ id, timeoutMs, session: 0 }, FORWARD_FIELD.call, this.#request)
  }

  replied({ field, bytes }: FrameReply, draining: boolean): void {
    this.#settle(field === FORWARD_FIELD.reply ? bytes : this.#refusal(field, bytes, draining))
  }

  ended(end: CallEnd): void {
    this.#settle(this.#outcomeOf(end))
  }

  #refusal(field: number, bytes: Buffer, draining: boolean): Outcome {
    const { code, message, details } = statusOf(field, bytes)
    const { reason } = details
    if (reason === 'UNAUTHENTICATED' || reason === 'NOT_ALLOWED') return 'refused'
    // One that is taken fails with a reason; this one wasn't.
    if (draining && code === STATUS.UNAVAILABLE && !reason) return 'not-done'
    return peerError(this.#region, { code, details: message }, details)
  }

  #outcomeOf(end: CallEnd): Outcome {
    switch (end.kind) {
      case 'unsupported':
      case 'not-sent':
      case 'not-taken':
      case 'refused':
        return 'not-done'
      case 'late':
      case 'silent':
        return this.#unanswered(end.sent, 'in time')
      case 'closed':
        return this.#unanswered(this.id > 0, 'before this one was stopped')
      case 'broken':
        return this.#unanswered(true, `(${end.error.details})`)
    }
  }

  #unanswered(sent: boolean, how: string): PeerUnreachable {
    return new PeerUnreachable(this.#region, sent, `the sidecar of ${this.#region} did not answer ${how}`)
  }
}

function statusOf(field: number, bytes: Buffer): ReturnType<typeof decodeStatus> {
  if (field === REPLY_FIELD.error) {
    try {
      return decodeStatus(bytes)
    } catch {
      // As if it had given none.
    }
  }
  return {
    code: STATUS.INTERNAL,
    message: 'the other sidecar gave another answer than was asked',
    details: {},
  }
}

/** What shows to a peer that this is a sidecar. */
export function metadataOf(token: string | undefined): Metadata {
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}
