/**
 * Guards a gRPC server against what comes over the network before, beside and after its calls: too many connections, those
 * on which nothing is asked, messages that come a byte a second or not at all, answers that nobody takes.
 *
 * Invariant: whatever a caller makes this process keep is counted as its caller's, and bounded, by address and in all; and
 * what it neither asks for nor takes is closed in time. `docs/limits.md` has the limits.
 */

import {
  constants,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Server, ServerInterceptingCall, ServerInterceptor } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { StatusError } from '../../status-error.ts'
import { refusingCorrupt } from '../corrupt-messages.ts'
import { toGrpcStatus } from '../error-boundary.ts'
import { countableTimeout } from './call-timeout.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import type { GuardedStream } from './guarded-stream.ts'
import { http2Servers } from './http2-servers.ts'
import { AllTraffic, PeerTraffic } from './peer-traffic.ts'

const SWEEP_MS = 500
/** So late the process stood still, and what its callers have sent meanwhile isn't read yet. */
const STOOD_STILL_MS = 3000
/** So many connections at a time may send more than HTTP/2's 64 KiB before it is read. */
const WIDE_MAX = 100
/** The log has a line for all that was turned away in so many sweeps. */
const SWEEPS_A_LINE = 20

/** Connections that were turned away or closed, by why. */
const NOBODY = { tooMany: 0, tooManyOfOneAddress: 0, withoutCallOrStuck: 0 }

/** What sidecars ask each other. */
const ESSENTIAL_PATHS = '/perigee.internal.'

/** What {@link Connections} needs. */
export interface ConnectionsOptions extends ConnectionOptions {
  /** Paths of the methods that are two-way streams. */
  readonly lastingPaths: ReadonlySet<string>
  readonly log: Logger
}

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #traffic: AllTraffic
  /** By `address:port`. */
  readonly #open = new Map<string, Connection>()
  readonly #bySession = new WeakMap<Http2Session, Connection>()
  readonly #strangers: PeerTraffic
  #wide = 0
  #turnedAway = NOBODY
  #justOpened: GuardedStream | undefined
  /** Whether its messages may be compressed. */
  #compressed = false
  #sweeper: NodeJS.Timeout | undefined
  #sweeps = 0
  #sweptAt = 0
  /** Nobody is found too slow before. */
  #patientUntil = 0

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#traffic = new AllTraffic(options.limits)
    this.#strangers = new PeerTraffic(this.#traffic)
  }

  /** Open connections. */
  get size(): number {
    return this.#open.size
  }

  /** Bytes of requests not answered yet and of answers not taken yet. */
  get bytesInFlight(): number {
    return this.#traffic.bytes
  }

  /** What the address of a call has here. @param address and port, as grpc-js gives them. */
  peerAt(address: string): PeerTraffic {
    return this.#open.get(address)?.peer ?? this.#strangers
  }

  /** A caller sends frames, and is known: its connection may have more on its way, if not too many have that already. */
  widen(address: string): void {
    const connection = this.#open.get(address)
    if (!connection || connection.wide || this.#wide >= WIDE_MAX) return
    connection.widen()
    if (connection.wide) this.#wide += 1
  }

  /** Tells of every call that grpc-js has a method for, in the very event in which its stream was opened. */
  get interceptor(): ServerInterceptor {
    return (_, call) => {
      const { log } = this.#options
      if (this.#justOpened) {
        const refuse = (error: StatusError) => call.sendStatus(toGrpcStatus(error, log, 'any'))
        this.#justOpened.call = { refuse }
        if (this.#compressed) refusingCorrupt(call, refuse)
      }
      this.#justOpened = undefined
      // As it is: one that listens costs every message.
      return call as ServerInterceptingCall
    }
  }

  /** Begins to guard a server that listens. */
  start(server: Server): void {
    for (const one of http2Servers(server)) this.#guard(one)
    this.#sweptAt = performance.now()
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  /** Ends all connections. */
  stop(): void {
    clearInterval(this.#sweeper)
    for (const connection of this.#open.values()) connection.close(constants.NGHTTP2_NO_ERROR)
  }

  #guard(server: Http2Server): void {
    const { limits } = this.#options
    server.maxConnections = limits.connectionsMax
    server.updateSettings({
      maxConcurrentStreams: limits.streamsPerConnectionMax,
      maxHeaderListSize: limits.headerBytesMax,
    })
    server.on('drop', () => this.#turnAway('tooMany'))
    // Before Node makes a session of it, and grpc-js a call.
    server.prependListener('connection', (socket: Socket) => this.#connected(socket))
    server.prependListener('session', (session: Http2Session) => this.#began(session))
    server.prependListener('stream', (...[stream, headers, , raw]) => this.#opened(stream, headers, raw))
  }

  #connected(socket: Socket): void {
    const at = addressOf(socket)
    const peer = this.#traffic.of(socket.remoteAddress ?? '')
    if (peer.connections >= this.#options.limits.connectionsPerPeerMax) {
      this.#turnAway('tooManyOfOneAddress')
      socket.destroy()
      return
    }
    const connection = new Connection(socket, peer, this.#options)
    peer.connections += 1
    this.#open.set(at, connection)
    socket.once('close', () => {
      peer.connections -= 1
      if (connection.wide) this.#wide -= 1
      if (this.#open.get(at) === connection) this.#open.delete(at)
    })
  }

  #began(session: Http2Session): void {
    const connection = this.#open.get(addressOf(session.socket))
    if (!connection) return
    this.#bySession.set(session, connection)
    connection.began(session)
  }

  #opened(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]): void {
    this.#justOpened = undefined
    const connection = stream.session && this.#bySession.get(stream.session)
    if (!connection) return
    const path = headers[':path']
    const timeout = headers['grpc-timeout'] as string | undefined
    const kind = {
      lasting: path !== undefined && this.#options.lastingPaths.has(path),
      essential: path?.startsWith(ESSENTIAL_PATHS) ?? false,
    }
    this.#compressed = headers['grpc-encoding'] !== undefined
    this.#justOpened = connection.opened(stream, { ...kind, headerBytes: headerBytes(raw), timeout })
    // grpc-js reads it after this.
    if (timeout !== undefined) headers['grpc-timeout'] = countableTimeout(timeout)
  }

  #sweep(): void {
    const now = performance.now()
    const passedMs = now - this.#sweptAt
    this.#sweptAt = now
    if (passedMs >= STOOD_STILL_MS) this.#patientUntil = now + passedMs
    if (now >= this.#patientUntil) this.#check(now)
    this.#sweeps += 1
    if (this.#sweeps % SWEEPS_A_LINE > 0) return
    this.#traffic.sweep()
    if (this.#turnedAway === NOBODY) return
    this.#options.log.warn(this.#turnedAway, 'connections were turned away or closed')
    this.#turnedAway = NOBODY
  }

  #check(now: number): void {
    for (const connection of this.#open.values()) {
      if (connection.check(now)) this.#turnAway('withoutCallOrStuck')
    }
  }

  #turnAway(why: keyof typeof NOBODY): void {
    this.#turnedAway = { ...this.#turnedAway, [why]: this.#turnedAway[why] + 1 }
  }
}

/** As HTTP/2 counts them. @param headers names and values in turn. */
function headerBytes(headers: readonly string[]): number {
  let bytes = 16 * headers.length
  for (const text of headers) bytes += text.length
  return bytes
}

function addressOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress}:${remotePort}`
}
