import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { encodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'
import { StatusError } from '../../status-error.ts'
import { MessageMeter } from './message-meter.ts'
import { noRoom, type PeerTraffic } from './peer-traffic.ts'
import type { TrafficLimits } from './traffic-limits.ts'

/** What a stream is guarded by. */
export interface StreamGuardOptions {
  readonly peer: PeerTraffic
  readonly limits: TrafficLimits
  /** No message becomes larger. */
  readonly messageBytesMax: number
  /** Messages come and go for as long as both sides like; otherwise there is one, then the answer. */
  readonly lasting: boolean
}

/**
 * One call or stream as HTTP/2 carries it. What it makes the sidecar keep counts as its caller's from the first byte on, before
 * gRPC has a message of it; it ends when there is no room, when a message takes too long to come, and when its caller
 * takes nothing of what it is sent.
 */
export class GuardedStream {
  readonly #stream: ServerHttp2Stream
  readonly #options: StreamGuardOptions
  readonly #meter: MessageMeter
  readonly #openedAt = performance.now()
  #held = 0
  #receivedBytes = 0
  #stall: { readonly since: number; readonly left: string; readonly socketBytes: number } | undefined

  constructor(stream: ServerHttp2Stream, options: StreamGuardOptions) {
    this.#stream = stream
    this.#options = options
    this.#meter = new MessageMeter(options.messageBytesMax)
    stream.on('data', (chunk: Buffer) => this.#received(chunk))
    stream.once('close', () => this.#hold(0))
  }

  /** Looks after it. @returns whether its whole connection is stuck. */
  check(now: number): boolean {
    if (this.#stream.destroyed) return false
    const { messageMs, stallMs } = this.#options.limits
    const since = this.#options.lasting
      ? this.#meter.since
      : this.#stream.readableEnded
        ? undefined
        : this.#openedAt
    if (since !== undefined && now - since > messageMs) {
      this.refuse(new StatusError('DEADLINE_EXCEEDED', tooSlow(messageMs)))
      return false
    }
    return this.#stalledMs(now) > stallMs && this.#giveUp()
  }

  /** Ends it, with an answer if it has none yet. */
  refuse(error: StatusError): void {
    const stream = this.#stream
    if (stream.destroyed || stream.closed) return
    const answered = stream.headersSent
    if (!answered) stream.respond(trailersOnly(error), { endStream: true })
    // What its caller still sends is of no use.
    stream.close(answered ? constants.NGHTTP2_ENHANCE_YOUR_CALM : constants.NGHTTP2_NO_ERROR)
  }

  #received(chunk: Buffer): void {
    const meter = this.#meter
    meter.read(chunk)
    this.#receivedBytes += chunk.length
    const kept = this.#options.lasting ? meter.partialBytes : this.#receivedBytes
    const bytes = kept + meter.unpackedBytes
    const { peer } = this.#options
    if (bytes > this.#held && !peer.hasRoom(bytes - this.#held)) this.refuse(noRoom(this.#options.limits))
    else this.#hold(bytes)
  }

  #hold(bytes: number): void {
    const { peer } = this.#options
    if (bytes > this.#held) peer.hold(bytes - this.#held)
    else peer.release(this.#held - bytes)
    this.#held = bytes
  }

  /** How long nothing was taken of what it has to send. */
  #stalledMs(now: number): number {
    const unsent = this.#stream.bufferSize
    if (unsent === 0) {
      this.#stall = undefined
      return 0
    }
    const left = `${unsent} ${this.#stream.state.localWindowSize}`
    if (this.#stall?.left !== left) {
      this.#stall = { since: now, left, socketBytes: this.#socketBytes }
    }
    return now - this.#stall.since
  }

  #giveUp(): boolean {
    const stuck = this.#stall?.socketBytes === this.#socketBytes
    if (!stuck) this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    return stuck
  }

  get #socketBytes(): number {
    return this.#stream.session?.socket.bytesWritten ?? 0
  }
}

function tooSlow(messageMs: number): string {
  return `The message wasn't there whole within ${messageMs} ms; send it faster, or in smaller parts.`
}

function trailersOnly(error: StatusError): IncomingHttpHeaders {
  const status = encodeStatusDetails(error.code, error.message, error.details)
  return {
    ':status': '200',
    'content-type': 'application/grpc+proto',
    'grpc-status': String(error.code),
    'grpc-message': encodeURI(error.message),
    [STATUS_DETAILS_KEY]: Buffer.from(status).toString('base64'),
  }
}
