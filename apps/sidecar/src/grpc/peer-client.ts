import type { DescMethodServerStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import { type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  type ChannelOptions,
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import { decodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'
import { StatusError } from '../status-error.ts'

/** No answer from another region's sidecar. */
export class PeerUnreachable extends Error {
  override name = 'PeerUnreachable'
  readonly region: string
  /** Whether the request may have arrived. */
  readonly sent: boolean

  constructor(region: string, sent: boolean, message: string) {
    super(message)
    this.region = region
    this.sent = sent
  }
}

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
}

/** Calls other sidecars, over one lasting connection to each of their addresses. */
export class PeerClient {
  readonly #addresses: ReadonlyMap<string, readonly string[]>
  readonly #connectMs: number
  readonly #clients = new Map<string, Client>()
  /** Which address of a region comes first. */
  readonly #first = new Map<string, number>()
  readonly #own: string | undefined

  constructor(options: {
    /** `host:port`s of the other regions. */
    peers: ReadonlyMap<string, readonly string[]>
    /** The own region and its other sidecars. */
    siblings?: { readonly region: string; readonly addresses: readonly string[] }
    /** Longest wait for a connection, milliseconds. */
    connectMs: number
  }) {
    const { peers, siblings } = options
    this.#addresses = siblings?.addresses.length
      ? new Map([...peers, [siblings.region, siblings.addresses]])
      : peers
    this.#own = siblings?.region
    this.#connectMs = options.connectMs
  }

  /** The other regions. */
  get regions(): readonly string[] {
    return [...this.#addresses.keys()].filter((region) => region !== this.#own)
  }

  /** Whether a region, or this one, has a sidecar to call. */
  reaches(region: string): boolean {
    return this.#addresses.has(region)
  }

  /** Calls go to another sidecar of the region from now on, if it has one: this one couldn't help. */
  tryAnother(region: string): void {
    this.#first.set(region, (this.#first.get(region) ?? 0) + 1)
  }

  /** Connects to all of them in the background. */
  start(): void {
    for (const addresses of this.#addresses.values()) {
      for (const address of addresses) this.#client(address).getChannel().getConnectivityState(true)
    }
  }

  stop(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }

  /**
   * Makes one call.
   *
   * @throws StatusError as the peer answered it; PeerUnreachable when it didn't answer.
   */
  async call<I extends DescMessage, O extends DescMessage>(
    region: string,
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    { deadlineMs, signal }: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<MessageShape<O>> {
    const client = await this.#connected(region, deadlineMs)
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        request,
        new Metadata(),
        { deadline: deadlineMs },
        (error, response) => {
          signal?.removeEventListener('abort', cancel)
          if (error) reject(peerError(region, error))
          else resolve(response as MessageShape<O>)
        },
      )
      const cancel = () => call.cancel()
      signal?.addEventListener('abort', cancel)
      if (signal?.aborted) cancel()
    })
  }

  /**
   * Makes one call that is answered by a stream; whoever stops reading cancels it.
   *
   * @throws StatusError as the peer answered it; PeerUnreachable when it didn't answer, or broke off.
   */
  async *stream<I extends DescMessage, O extends DescMessage>(
    region: string,
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    { deadlineMs, signal }: { deadlineMs: number; signal: AbortSignal },
  ): AsyncGenerator<MessageShape<O>, void> {
    const client = await this.#connected(region, deadlineMs)
    const call = client.makeServerStreamRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      request,
      new Metadata(),
      { deadline: deadlineMs },
    )
    const cancel = () => call.cancel()
    signal.addEventListener('abort', cancel)
    try {
      yield* call as AsyncIterable<MessageShape<O>>
    } catch (error) {
      throw peerError(region, error as ServiceError)
    } finally {
      signal.removeEventListener('abort', cancel)
      cancel()
    }
  }

  /** A client with a connection, the first that has one. */
  async #connected(region: string, deadlineMs: number): Promise<Client> {
    const addresses = this.#addresses.get(region) ?? []
    const first = (this.#first.get(region) ?? 0) % (addresses.length || 1)
    const clients = [...addresses.slice(first), ...addresses.slice(0, first)].map((at) => this.#client(at))
    const ready = clients.find((c) => c.getChannel().getConnectivityState(true) === connectivityState.READY)
    if (ready) return ready
    const untilMs = Math.min(deadlineMs, Date.now() + this.#connectMs)
    try {
      return await Promise.any(clients.map((client) => connection(client, untilMs)))
    } catch {
      throw new PeerUnreachable(region, false, `the sidecar of ${region} can't be reached`)
    }
  }

  #client(address: string): Client {
    let client = this.#clients.get(address)
    if (!client) {
      client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS)
      this.#clients.set(address, client)
    }
    return client
  }
}

function connection(client: Client, untilMs: number): Promise<Client> {
  return new Promise((resolve, reject) => {
    client.waitForReady(untilMs, (error) => (error ? reject(error) : resolve(client)))
  })
}

/** What the peer answered, or that nobody knows whether it did anything. */
function peerError(region: string, error: ServiceError): Error {
  const [trailer] = error.metadata?.get(STATUS_DETAILS_KEY) ?? []
  const details = trailer instanceof Buffer ? decodeStatusDetails(trailer) : {}
  const status = statusName(error.code)
  const transport = status === 'UNAVAILABLE' || status === 'DEADLINE_EXCEEDED' || status === 'CANCELLED'
  if (transport && !details.reason) {
    return new PeerUnreachable(region, true, `the sidecar of ${region} did not answer (${error.details})`)
  }
  return new StatusError(status, error.details, details)
}
