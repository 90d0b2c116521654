import {
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
} from '@bufbuild/protobuf'
import { MultiplexRoute, type MultiplexStream, readSearchResponse, SearchService } from '@perigee/protocol'
import { type CallToken, metadataWith } from './call-token.ts'
import type { Connection } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import { GrpcTransport, unwritable } from './grpc-transport.ts'
import { isRead } from './idempotency.ts'
import { type FramedRequest, framedRequest, MultiplexCall } from './multiplex-call.ts'
import { MULTIPLEX_PATH, MULTIPLEXED, type MultiplexedMethod } from './multiplex-methods.ts'
import { aborted } from './perigee-error.ts'
import { ProcessHold } from './process-hold.ts'
import type { AttemptOptions, Transport, TransportOptions } from './transport.ts'
import { closedError } from './transport-errors.ts'

/** Larger requests go by themselves: they gain nothing from sharing a frame, and others would wait for them. */
export const REQUEST_BYTES_MAX = 256 * 1024

/**
 * The hot methods over one Multiplex stream an address, several calls to a frame; everything else, and everything to a sidecar
 * without Multiplex, as unary calls and streams of their own. Both mean the same, and fail in the same ways.
 */
export class MultiplexTransport implements Transport {
  readonly #unary: GrpcTransport
  readonly #token: CallToken | undefined
  readonly #routes = new Map<string, MultiplexRoute<Connection>>()
  /** Keeps the process alive while a call is waited for. */
  readonly hold = new ProcessHold()
  #closed = false

  constructor(options: TransportOptions = {}) {
    this.#unary = new GrpcTransport(options)
    this.#token = options.token
  }

  unary<I extends DescMessage, O extends DescMessage>(
    endpoint: Endpoint,
    method: DescMethodUnary<I, O>,
    request: () => MessageShape<I>,
    options: AttemptOptions,
  ): Promise<MessageShape<O>> {
    return this.#token
      ? this.#token.call((token) => this.#showing(token, endpoint, method, request, options), options)
      : this.#showing(undefined, endpoint, method, request, options)
  }

  async #showing<I extends DescMessage, O extends DescMessage>(
    token: string | undefined,
    endpoint: Endpoint,
    method: DescMethodUnary<I, O>,
    request: () => MessageShape<I>,
    options: AttemptOptions,
  ): Promise<MessageShape<O>> {
    const multiplexed = MULTIPLEXED.get(method)
    if (!multiplexed) return this.#unary.unaryShowing(token, endpoint, method, request, options)
    const release = options.background ? () => {} : this.hold.begin()
    try {
      const connection = await this.#unary.connected(endpoint, options)
      const stream = this.#route(endpoint).stream(connection, token)
      const framed = stream && encode(method, request())
      if (!stream || !framed || framed.bytes.length > REQUEST_BYTES_MAX)
        return await this.#unary.unaryShowing(token, endpoint, method, request, options)
      const call = { endpoint, read: isRead(method), method: multiplexed, request: framed }
      const answer = await this.#call(stream, call, options)
      if (!answer) return await this.#unary.unaryShowing(token, endpoint, method, request, options)
      return answerOf(method, answer)
    } finally {
      release()
    }
  }

  /** A sidecar didn't take the token of a stream. @returns whether calls may show another one. */
  refused(token: string | undefined): boolean {
    return token !== undefined && this.#token?.refused(token) === true
  }

  /** The stream to a sidecar, if it is open and would send a call at once. */
  openStream({ address }: Endpoint): MultiplexStream | undefined {
    return this.#routes.get(address)?.openStream()
  }

  serverStream<I extends DescMessage, O extends DescMessage>(
    endpoint: Endpoint,
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    options: AttemptOptions,
  ): AsyncIterable<MessageShape<O>> {
    return this.#unary.serverStream(endpoint, method, request, options)
  }

  roundTrip(endpoint: Endpoint, options: AttemptOptions): Promise<number> {
    return this.#unary.roundTrip(endpoint, options)
  }

  bytesHeard(endpoint: Endpoint): number | undefined {
    return this.#unary.bytesHeard(endpoint)
  }

  renew(endpoint: Endpoint, giveUp: boolean): void {
    this.#unary.renew(endpoint, giveUp)
    this.#routes.get(endpoint.address)?.renew(giveUp)
  }

  keepOnly(endpoints: readonly Endpoint[]): void {
    this.#unary.keepOnly(endpoints)
    const wanted = new Set(endpoints.map(({ address }) => address))
    for (const [address, route] of this.#routes) {
      if (wanted.has(address)) continue
      this.#routes.delete(address)
      route.renew(false)
    }
  }

  close(): void {
    this.#closed = true
    for (const route of this.#routes.values()) route.close()
    this.#routes.clear()
    this.#unary.close()
    this.hold.release()
  }

  #route({ address }: Endpoint): MultiplexRoute<Connection> {
    let route = this.#routes.get(address)
    if (!route) {
      route = new MultiplexRoute(openStream)
      this.#routes.set(address, route)
    }
    return route
  }

  /** The answer, a view of its frame; `undefined` when the sidecar has no Multiplex. */
  #call(
    stream: MultiplexStream,
    {
      endpoint,
      read,
      method,
      request,
    }: { endpoint: Endpoint; read: boolean; method: MultiplexedMethod; request: FramedRequest },
    { deadline, signal }: AttemptOptions,
  ): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal))
      if (this.#closed) return reject(closedError())
      const onAbort = () => {
        stream.giveUp(call)
        if (signal) reject(aborted(signal))
      }
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          signal?.removeEventListener('abort', onAbort)
          settle(value)
        }
      }
      const call = new MultiplexCall(
        { endpoint, read, deadline, method, request },
        { resolve: settled(resolve), reject: settled(reject) },
      )
      signal?.addEventListener('abort', onAbort, { once: true })
      stream.send(call)
    })
  }
}

function openStream({ client }: Connection, token: string | undefined) {
  return client.makeBidiStreamRequest<Buffer, Buffer>(MULTIPLEX_PATH, asIs, asIs, metadataWith(token))
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}

/** @param bytes a view of a frame, whose memory is that of many answers: nothing of it is kept. */
function answerOf<O extends DescMessage>(
  method: DescMethodUnary<DescMessage, O>,
  bytes: Buffer,
): MessageShape<O> {
  const plain = (method as DescMethod) === SearchService.method.search ? readSearchResponse(bytes) : undefined
  return (plain as MessageShape<O> | undefined) ?? fromBinary(method.output, Buffer.from(bytes))
}

function encode<I extends DescMessage>(method: DescMethodUnary<I>, request: MessageShape<I>): FramedRequest {
  try {
    return framedRequest(method, request)
  } catch (error) {
    throw unwritable(method, error)
  }
}
