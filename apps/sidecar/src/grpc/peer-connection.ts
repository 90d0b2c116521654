import type { Socket } from 'node:net'
import { type ChannelOptions, Client, connectivityState } from '@grpc/grpc-js'
import type { MultiplexConnection } from '@perigee/protocol'
import { ForwardStreams } from './forward-stream.ts'
import { type PeerTls, peerCredentials } from './peer-credentials.ts'

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': 1000,
  'grpc.keepalive_timeout_ms': 2000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.dns_min_time_between_resolutions_ms': 1000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  // HTTP/2's 64 KiB a round trip would be little for many answers from far away.
  'grpc-node.flow_control_window': 1024 * 1024,
}

/**
 * A lasting connection to one sidecar's address.
 *
 * grpc-js waits for ever for a connection whose handshake was swallowed, and every call with it: {@link renewIfStuck}
 * gives such a one up.
 */
export class PeerConnection implements MultiplexConnection {
  /** What is passed on to it. */
  readonly forwards: ForwardStreams
  readonly #address: string
  readonly #tls: PeerTls | undefined
  #client: Client
  #socket: Socket | undefined
  #number = 0
  /** Since when it has only ever been seen connecting, by the monotonic clock. */
  #connectingSince: number | undefined

  /** @param messageBytesMax what it takes of a message. @param tls none: without TLS. */
  constructor(address: string, messageBytesMax: number, tls?: PeerTls) {
    this.#address = address
    this.#tls = tls
    this.forwards = new ForwardStreams(messageBytesMax)
    this.#client = this.#newClient()
  }

  get client(): Client {
    return this.#client
  }

  /** Its state; one without a connection begins to make one. */
  get state(): connectivityState {
    return this.#client.getChannel().getConnectivityState(true)
  }

  get ready(): boolean {
    return this.state === connectivityState.READY
  }

  get number(): number {
    return this.#number
  }

  /** Begins a new connection when this one has been seen connecting for `afterMs`, and nothing else meanwhile. */
  renewIfStuck(afterMs: number): void {
    const now = performance.now()
    if (this.state !== connectivityState.CONNECTING) this.#connectingSince = undefined
    else this.#connectingSince ??= now
    if (this.#connectingSince === undefined || now - this.#connectingSince < afterMs) return
    this.#connectingSince = undefined
    this.#client.close()
    // Closing the client doesn't end a handshake.
    this.#socket?.destroy()
    this.#socket = undefined
    this.#client = this.#newClient()
  }

  close(): void {
    this.forwards.close()
    this.#client.close()
  }

  #newClient(): Client {
    const host = this.#address.slice(0, this.#address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
    const credentials = peerCredentials(this.#tls && { ...this.#tls, host }, (socket) => {
      this.#socket = socket
      this.#number += 1
    })
    return new Client(this.#address, credentials, {
      ...CHANNEL_OPTIONS,
      ...(this.#tls && { 'grpc.ssl_target_name_override': this.#tls.name }),
    })
  }
}
