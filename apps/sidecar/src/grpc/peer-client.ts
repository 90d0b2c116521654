import type { DescMethodServerStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import { type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { ServiceError } from '@grpc/grpc-js'
import {
  type ForwardRequest,
  ForwardRequestSchema,
  type ForwardResponse,
  ForwardResponseSchema,
  PeerService,
} from '@perigee/protocol'
import { metadataOf } from './forward-stream.ts'
import { PeerConnection } from './peer-connection.ts'
import type { PeerTls } from './peer-credentials.ts'
import { answeredError, PeerUnreachable } from './peer-error.ts'

/** After so many times the longest wait for a connection one that is still being made is given up: its handshake was swallowed. */
const STUCK_AFTER_WAITS = 3

/** Calls other sidecars, over one lasting connection to each of their addresses. */
export class PeerClient {
  readonly #addresses: ReadonlyMap<string, readonly string[]>
  readonly #connectMs: number
  readonly #messageBytesMax: number
  readonly #connections = new Map<string, PeerConnection>()
  /** Which address of a region comes first. */
  readonly #first = new Map<string, number>()
  readonly #own: string | undefined
  readonly #token: () => string | undefined
  readonly #tls: ((region: string) => PeerTls) | undefined

  constructor(options: {
    /** `host:port`s of the other regions. */
    peers: ReadonlyMap<string, readonly string[]>
    /** The own region and its other sidecars. */
    siblings?: { readonly region: string; readonly addresses: readonly string[] }
    /** What this sidecar shows to the others, if they ask for a token. */
    token?: () => string | undefined
    /** Longest wait for a connection, milliseconds. */
    connectMs: number
    /** What sidecars take of a message; all alike. */
    messageBytesMax: number
    /** How the sidecars of a region are called by TLS. Default: without. */
    tls?: ((region: string) => PeerTls) | undefined
  }) {
    const { peers, siblings } = options
    this.#addresses = siblings?.addresses.length
      ? new Map([...peers, [siblings.region, siblings.addresses]])
      : peers
    this.#token = options.token ?? (() => undefined)
    this.#own = siblings?.region
    this.#connectMs = options.connectMs
    this.#messageBytesMax = options.messageBytesMax
    this.#tls = options.tls
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
    for (const [region, addresses] of this.#addresses) {
      for (const address of addresses) void this.#connection(region, address).state
    }
  }

  stop(): void {
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
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
    const { client } = await this.#connected(region, deadlineMs)
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        request,
        metadataOf(this.#token()),
        { deadline: deadlineMs },
        (error, response) => {
          signal?.removeEventListener('abort', cancel)
          if (error) reject(answeredError(region, error))
          else resolve(response as MessageShape<O>)
        },
      )
      const cancel = () => call.cancel()
      signal?.addEventListener('abort', cancel)
      if (signal?.aborted) cancel()
    })
  }

  /**
   * Passes one call on: over a stream that it shares with others, or unary where the peer has no such stream, or doesn't take
   * the call on it.
   *
   * @throws StatusError as the peer answered it; PeerUnreachable when it didn't answer.
   */
  async forward(
    region: string,
    request: ForwardRequest,
    demand: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<ForwardResponse> {
    const connection = await this.#connected(region, demand.deadlineMs)
    const forwarding = {
      ...{ region, token: this.#token(), request: toBinary(ForwardRequestSchema, request) },
      ...demand,
    }
    const response = await connection.forwards.call(connection, forwarding)
    if (response) return fromBinary(ForwardResponseSchema, response)
    return this.call(region, PeerService.method.forward, request, demand)
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
    const { client } = await this.#connected(region, deadlineMs)
    const call = client.makeServerStreamRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      request,
      metadataOf(this.#token()),
      { deadline: deadlineMs },
    )
    const cancel = () => call.cancel()
    signal.addEventListener('abort', cancel)
    try {
      yield* call as AsyncIterable<MessageShape<O>>
    } catch (error) {
      throw answeredError(region, error as ServiceError)
    } finally {
      signal.removeEventListener('abort', cancel)
      cancel()
    }
  }

  /** The first connection that is one. */
  async #connected(region: string, deadlineMs: number): Promise<PeerConnection> {
    const addresses = this.#addresses.get(region) ?? []
    const first = (this.#first.get(region) ?? 0) % (addresses.length || 1)
    const inOrder = [...addresses.slice(first), ...addresses.slice(0, first)]
    const connections = inOrder.map((address) => this.#connection(region, address))
    const ready = connections.find((connection) => connection.ready)
    if (ready) return ready
    for (const connection of connections) connection.renewIfStuck(STUCK_AFTER_WAITS * this.#connectMs)
    const untilMs = Math.min(deadlineMs, Date.now() + this.#connectMs)
    try {
      return await Promise.any(connections.map((connection) => connected(connection, untilMs)))
    } catch {
      throw new PeerUnreachable(region, false, `the sidecar of ${region} can't be reached`)
    }
  }

  #connection(region: string, address: string): PeerConnection {
    let connection = this.#connections.get(address)
    if (!connection) {
      connection = new PeerConnection(address, this.#messageBytesMax, this.#tls?.(region))
      this.#connections.set(address, connection)
    }
    return connection
  }
}

function connected(connection: PeerConnection, untilMs: number): Promise<PeerConnection> {
  return new Promise((resolve, reject) => {
    connection.client.waitForReady(untilMs, (error) => (error ? reject(error) : resolve(connection)))
  })
}
