import { connect, isIPv6, type Socket } from 'node:net'
import { type ChannelCredentials, type ChannelOptions, Client, connectivityState } from '@grpc/grpc-js'
import { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import { inTime } from './pause.ts'
import { PerigeeError } from './perigee-error.ts'
import { plainCredentials } from './plain-credentials.ts'
import { tlsCredentials } from './tls-credentials.ts'
import { tlsFailure } from './tls-failure.ts'
import type { ClientTls } from './tls-options.ts'

const CHANNEL_OPTIONS: ChannelOptions = {
  // So that something comes from a sidecar that lives every second. Its silence is judged by HealthWatch, sooner and
  // without ending what may still be answered; the timeout is for what remains on a connection that is dead.
  'grpc.keepalive_time_ms': 1_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  // grpc-js waits up to two minutes between attempts by default.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Sidecars answer at most 4 MiB; the rest is room for their framing.
  'grpc.max_receive_message_length': 8 * 1024 * 1024,
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
  // One client's closing or back-off is no business of another's in the same process.
  'grpc.use_local_subchannel_pool': 1,
  // Sidecars are in the private network: a proxy for the internet answers for addresses it can't reach.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Retries belong to one layer, ours.
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
}

/** What an end of a connection in its beginning may mean. */
const REFUSED = 'it may not trust the CA of tls.cert, or that has run out'
const UNENCRYPTED = 'if it speaks TLS, give `tls`'

/** An attempt to connect goes on for so long at least, for others, though whoever began it had less time. */
const SHORTEST_ATTEMPT_MS = 1_000

/**
 * A gRPC channel to one address, with a bounded way to connect it.
 *
 * grpc-js neither bounds a connection attempt nor ends one when its channel is closed: an address that swallows
 * packets would hold the process for two minutes. So a plain TCP connection goes ahead, which can be bounded and
 * destroyed, and the channel only ever connects to an address that just accepted one. A connection that is then swallowed
 * during its HTTP/2 handshake is destroyed as well, and the next attempt makes a new one.
 */
export class Connection {
  readonly #address: string
  readonly #endpoint: Endpoint
  readonly #tls: ClientTls | undefined
  /** How the last attempt's TLS failed. */
  #refusal: Error | undefined
  #client: Client
  #establishing: Promise<void> | undefined
  #probe: AbortController | undefined
  #socket: Socket | undefined
  #number = 0
  #closed = false

  /** @param tls none: without TLS. */
  constructor(endpoint: Endpoint, tls?: ClientTls) {
    this.#address = endpoint.address
    this.#endpoint = endpoint
    this.#tls = tls
    this.#client = this.#newClient()
  }

  get client(): Client {
    return this.#client
  }

  get ready(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY
  }

  /** Grows with every connection made, so that what was said of one isn't taken for what the next one says. */
  get number(): number {
    return this.#number
  }

  /** Bytes that have come over this connection, those of pings included; `undefined` while there is none. */
  get bytesHeard(): number | undefined {
    return this.ready ? this.#socket?.bytesRead : undefined
  }

  /** From now on calls use a new connection; those under way end on the old one. */
  renew(): void {
    if (this.#closed) return
    this.#client.close()
    this.#client = this.#newClient()
    this.#socket = undefined
  }

  /**
   * Connects, or joins the attempt under way.
   *
   * @throws PerigeeError `UNAVAILABLE` when that fails or takes longer than `timeoutMs`.
   */
  async connect(timeoutMs: number): Promise<void> {
    this.#establishing ??= this.#establish(Math.max(timeoutMs, SHORTEST_ATTEMPT_MS)).finally(() => {
      this.#establishing = undefined
    })
    const connected = this.#establishing.then(() => true)
    if (await inTime(connected, timeoutMs)) return
    throw unreachable(this.#address, `no connection within ${Math.round(timeoutMs)} ms`)
  }

  close(): void {
    this.#closed = true
    this.#probe?.abort()
    this.#client.close()
  }

  #newClient(): Client {
    const onSocket = (socket: Socket) => {
      this.#socket = socket
      this.#number += 1
      // Watching a sidecar's health keeps no process alive; calls do so themselves (see GrpcTransport).
      socket.unref()
      socket.ref = () => socket
    }
    const credentials = this.#tls ? this.#secure(this.#tls, onSocket) : plainCredentials(onSocket)
    return new Client(this.#address, credentials, CHANNEL_OPTIONS)
  }

  #secure(tls: ClientTls, onSocket: (socket: Socket) => void): ChannelCredentials {
    const way = {
      get context() {
        return tls.context
      },
      names: tls.namesOf(this.#endpoint),
      onFailure: (error: Error) => {
        this.#refusal = error
      },
    }
    return tlsCredentials(way, onSocket)
  }

  async #establish(timeoutMs: number): Promise<void> {
    const deadline = Deadline.in(timeoutMs)
    this.#probe = new AbortController()
    await tcpConnect(this.#address, timeoutMs, this.#probe.signal)
    if (this.#closed) throw unreachable(this.#address, 'the client was closed')
    this.#refusal = undefined
    const state = await this.#settle(deadline)
    if (state === connectivityState.READY) return
    // It would go on by itself, unbounded, and so would every attempt that joins it: the next one starts anew.
    this.#socket?.destroy()
    this.renew()
    if (this.#refusal) throw unreachable(this.#address, tlsFailure(this.#refusal), this.#refusal)
    if (state === connectivityState.TRANSIENT_FAILURE)
      throw unreachable(
        this.#address,
        `it accepted a connection and closed it; ${this.#tls ? REFUSED : UNENCRYPTED}`,
      )
    throw unreachable(this.#address, `it accepted a connection and then said nothing for ${timeoutMs} ms`)
  }

  /** The channel's state once it is connected or has failed, or whatever it is at the deadline. */
  #settle(deadline: Deadline): Promise<connectivityState> {
    const channel = this.#client.getChannel()
    return new Promise((resolve) => {
      const look = () => {
        if (this.#closed) return resolve(connectivityState.SHUTDOWN)
        const state = channel.getConnectivityState(true)
        const pending = state === connectivityState.IDLE || state === connectivityState.CONNECTING
        if (!pending || deadline.passed) return resolve(state)
        channel.watchConnectivityState(state, Date.now() + deadline.remainingMs, look)
      }
      look()
    })
  }
}

function tcpConnect(address: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...parseAddress(address), signal }).unref()
    const timer = setTimeout(() => {
      socket.destroy()
      reject(unreachable(address, `no connection within ${Math.round(timeoutMs)} ms`))
    }, timeoutMs).unref()
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.destroy()
      resolve()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(unreachable(address, error.code ?? error.message, error))
    })
  })
}

/** `host:port`, `[v6]:port`. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}

/** The address of a host and a port, with an IPv6 host in brackets. */
export function formatAddress(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

function unreachable(address: string, why: string, cause?: Error): PerigeeError {
  return new PerigeeError(`the sidecar at ${address} can't be reached: ${why}`, {
    code: 'UNAVAILABLE',
    cause,
  })
}
