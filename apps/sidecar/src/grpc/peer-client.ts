import type { DescMethodServerStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import { type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf'
import { type Client, connectivityState, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import { decodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'
import { StatusError } from '../status-error.ts'
import { PeerConnection } from './peer-connection.ts'
import type { PeerTls } from './peer-credentials.ts'

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

/** Another region's sidecar doesn't take this one for a sidecar, and did nothing. */
export class PeerRefused extends PeerUnreachable {
  constructor(region: string, why: string) {
    const what = 'give all sidecars the same PERIGEE_PEER_TOKEN_FILE, or certificates with names of sidecars'
    super(region, false, `the sidecar of ${region} doesn't take this one for a sidecar: ${what} (${why})`)
  }
}

/** After so many times the longest wait for a connection one that is still being made is given up: its handshake was swallowed. */
const STUCK_AFTER_WAITS = 3

/** Calls other sidecars, over one lasting connection to each of their addresses. */
export class PeerClient {
  readonly #addresses: ReadonlyMap<string, readonly string[]>
  readonly #connectMs: number
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
    const client = await this.#connected(region, deadlineMs)
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        request,
        this.#metadata(),
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
      this.#metadata(),
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

  #metadata(): Metadata {
    const metadata = new Metadata()
    const token = this.#token()
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    return metadata
  }

  /** A client with a connection, the first that has one. */
  async #connected(region: string, deadlineMs: number): Promise<Client> {
    const addresses = this.#addresses.get(region) ?? []
    const first = (this.#first.get(region) ?? 0) % (addresses.length || 1)
    const inOrder = [...addresses.slice(first), ...addresses.slice(0, first)]
    const connections = inOrder.map((address) => this.#connection(region, address))
    const ready = connections.find(({ state }) => state === connectivityState.READY)
    if (ready) return ready.client
    for (const connection of connections) connection.renewIfStuck(STUCK_AFTER_WAITS * this.#connectMs)
    const untilMs = Math.min(deadlineMs, Date.now() + this.#connectMs)
    try {
      return await Promise.any(connections.map(({ client }) => connected(client, untilMs)))
    } catch {
      throw new PeerUnreachable(region, false, `the sidecar of ${region} can't be reached`)
    }
  }

  #connection(region: string, address: string): PeerConnection {
    let connection = this.#connections.get(address)
    if (!connection) {
      connection = new PeerConnection(address, this.#tls?.(region))
      this.#connections.set(address, connection)
    }
    return connection
  }
}

function connected(client: Client, untilMs: number): Promise<Client> {
  return new Promise((resolve, reject) => {
    client.waitForReady(untilMs, (error) => (error ? reject(error) : resolve(client)))
  })
}

/** What the peer answered, or that nobody knows whether it did anything. */
function peerError(region: string, error: ServiceError): Error {
  const [trailer] = error.metadata?.get(STATUS_DETAILS_KEY) ?? []
  const details = trailer instanceof Buffer ? decodeStatusDetails(trailer) : {}
  const code = statusName(error.code)
  // What is said of this sidecar is none of its callers' business.
  if (details.reason === 'UNAUTHENTICATED' || details.reason === 'NOT_ALLOWED') {
    return new PeerRefused(region, error.details)
  }
  const transport = code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED' || code === 'CANCELLED'
  if ((transport || brokeOff(error)) && !details.reason) {
    return new PeerUnreachable(region, true, `the sidecar of ${region} did not answer (${error.details})`)
  }
  return new StatusError(code, error.details, details)
}

/** grpc-js's own words, with INTERNAL, for a connection that was ended with calls under way on it. */
function brokeOff({ code, details }: ServiceError): boolean {
  return code === status.INTERNAL && /^(Received RST_STREAM|Session closed)/.test(details)
}
