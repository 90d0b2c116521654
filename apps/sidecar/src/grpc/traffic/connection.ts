import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { StatusError } from '../../status-error.ts'
import { timeoutRefusal } from './call-timeout.ts'
import { GuardedStream, type StreamGuardOptions } from './guarded-stream.ts'
import { noRoom, overloaded, type PeerTraffic } from './peer-traffic.ts'

/** What a wide connection may send before it is read: two full frames of 1 KiB values, with half of it acknowledged at a time. */
const WIDE_BYTES = 256 * 1024

/** How a connection guards its streams. */
export type ConnectionOptions = Omit<StreamGuardOptions, 'lasting' | 'essential' | 'peer'>

/** What is known of a stream when it is opened. */
interface StreamHead {
  /** See {@link StreamGuardOptions.lasting}. */
  readonly lasting: boolean
  /** See {@link StreamGuardOptions.essential}. */
  readonly essential: boolean
  readonly headerBytes: number
  /** How long its caller waits, as it came. */
  readonly timeout: string | undefined
}

/** One connection of a caller, from before its handshake until it is closed. */
export class Connection {
  readonly peer: PeerTraffic
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #openedAt = performance.now()
  readonly #streams = new Set<GuardedStream>()
  #session: Http2Session | undefined
  #wide = false
  #used = false
  #lasting = 0

  constructor(socket: Socket, peer: PeerTraffic, options: ConnectionOptions) {
    this.#socket = socket
    this.peer = peer
    this.#options = options
  }

  /** Its handshake is done. */
  began(session: Http2Session): void {
    this.#session = session
  }

  /** Whether it was widened. */
  get wide(): boolean {
    return this.#wide
  }

  /** Lets its caller send more before it is read. */
  widen(): void {
    const session = this.#session
    if (!session || session.destroyed) return
    this.#wide = true
    session.setLocalWindowSize(WIDE_BYTES)
    session.settings({ initialWindowSize: WIDE_BYTES })
  }

  /** A call or a stream was opened on it. */
  opened(stream: ServerHttp2Stream, head: StreamHead): GuardedStream {
    this.#used = true
    const { lasting, essential } = head
    const guarded = new GuardedStream(stream, { ...this.#options, peer: this.peer, lasting, essential })
    this.#streams.add(guarded)
    stream.once('close', () => {
      this.#streams.delete(guarded)
      if (lasting) this.#lasting -= 1
    })
    if (lasting) this.#lasting += 1
    const refused = guarded.fits ? this.#refusal(head) : noRoom(this.#options.limits)
    // By then grpc-js has it.
    if (refused) process.nextTick(() => guarded.refuse(refused))
    return guarded
  }

  /** Looks after it and its streams. @returns whether it was closed. */
  check(now: number): boolean {
    if (!this.#used && now - this.#openedAt > this.#options.limits.firstCallMs) {
      this.close(constants.NGHTTP2_NO_ERROR)
      return true
    }
    for (const stream of this.#streams) {
      if (!stream.check(now)) continue
      this.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
      return true
    }
    return false
  }

  #refusal({ headerBytes, lasting, timeout }: StreamHead): StatusError | undefined {
    const { multiplexStreamsMax, headerBytesMax } = this.#options.limits
    // Until a client has heard of the limit, Node takes more.
    if (headerBytes > headerBytesMax) return headersTooLarge(headerBytes, headerBytesMax)
    if (lasting && this.#lasting > multiplexStreamsMax) return tooManyStreams(multiplexStreamsMax)
    return timeoutRefusal(timeout)
  }

  /** Ends it at once. */
  close(code: number): void {
    this.#session?.destroy(undefined, code)
    this.#socket.destroy()
  }
}

function headersTooLarge(bytes: number, max: number): StatusError {
  const text = `The call's headers have ${bytes} bytes, at most ${max} are taken; send less metadata.`
  return new StatusError('RESOURCE_EXHAUSTED', text)
}

function tooManyStreams(max: number) {
  return overloaded(
    `The connection has ${max} two-way streams, as many as it may; end some, or send more calls over each.`,
  )
}
