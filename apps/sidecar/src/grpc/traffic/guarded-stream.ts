import { constants, type ServerHttp2Stream } from 'node:http2'
import { StatusError } from '../../status-error.ts'
import { MessageMeter } from './message-meter.ts'
import { noRoom, type PeerTraffic } from './peer-traffic.ts'
import type { TrafficLimits } from './traffic-limits.ts'

/** About what a stream takes by itself. */
const STREAM_BYTES = 8 * 1024
/** An essential stream that has no more than this has room where others have none. */
const ESSENTIAL_BYTES_MAX = 64 * 1024

/** The same stream as grpc-js sees it, where it has a method for it. */
export interface GrpcStream {
  /** Ends it with an error, as grpc-js's `sendStatus` does. */
  refuse(error: StatusError): void
}

/** How long a caller has to take the news that its call was refused. */
const REFUSED_MS = 2000

/** What a stream is guarded by. */
export interface StreamGuardOptions {
  readonly peer: PeerTraffic
  readonly limits: TrafficLimits
  /** No message becomes larger. */
  readonly messageBytesMax: number
  /** Messages come and go for as long as both sides like; otherwise there is one, then the answer. */
  readonly lasting: boolean
  /** Sidecars tell each other how they are by it: while it is small it has room of its own. */
  readonly essential: boolean
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
  /** Set when grpc-js has it. */
  call: GrpcStream | undefined
  #held = 0
  #refusedAt: number | undefined
  #receivedBytes = 0
  #stall: { readonly since: number; readonly left: string; readonly socketBytes: number } | undefined

  constructor(stream: ServerHttp2Stream, options: StreamGuardOptions) {
    this.#stream = stream
    this.#options = options
    this.#meter = new MessageMeter(options.messageBytesMax)
    stream.on('data', (chunk: Buffer) => this.#received(chunk))
    stream.once('close', () => this.#hold(0))
    this.#hold(STREAM_BYTES)
  }

  /** Whether there was room for it when it was opened. */
  get fits(): boolean {
    const { essential, peer } = this.#options
    return essential ? peer.hasEssentialRoom(0) : peer.hasRoom(0)
  }

  /** Looks after it. @returns whether its whole connection is stuck. */
  check(now: number): boolean {
    if (this.#stream.destroyed) return false
    if (this.#refusedAt !== undefined) {
      // What its caller still sends is of no use.
      if (now - this.#refusedAt > REFUSED_MS) this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
      return false
    }
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

  /** Ends it, with an answer if it has none yet; its caller is left a moment to take that. */
  refuse(error: StatusError): void {
    if (this.#refusedAt !== undefined || this.#stream.destroyed) return
    this.#refusedAt = performance.now()
    if (this.#stream.headersSent) this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    else this.call?.refuse(error)
    this.#hold(STREAM_BYTES)
  }

  #received(chunk: Buffer): void {
    if (this.#refusedAt !== undefined) return
    const meter = this.#meter
    meter.read(chunk)
    this.#receivedBytes += chunk.length
    const kept = this.#options.lasting ? meter.partialBytes : this.#receivedBytes
    const bytes = STREAM_BYTES + kept + meter.unpackedBytes
    const { peer, essential, limits } = this.#options
    const more = bytes - this.#held
    const free = more <= 0 || (essential && bytes <= ESSENTIAL_BYTES_MAX && peer.hasEssentialRoom(more))
    if (free || peer.hasRoom(more)) this.#hold(bytes)
    else this.refuse(noRoom(limits))
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
    if (!stuck) this.#stream.close(constants.NGHTTP2_CANCEL)
    return stuck
  }

  get #socketBytes(): number {
    return this.#stream.session?.socket.bytesWritten ?? 0
  }
}

function tooSlow(messageMs: number): string {
  return `The message wasn't there whole within ${messageMs} ms; send it faster, or in smaller parts.`
}
