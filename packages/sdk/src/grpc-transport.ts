import {
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import type { ClientReadableStream } from '@grpc/grpc-js'
import { connectionBroke } from './broken-connection.ts'
import { type CallToken, metadataWith } from './call-token.ts'
import { Connection } from './connection.ts'
import type { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import { isRead } from './idempotency.ts'
import { aborted, PerigeeError } from './perigee-error.ts'
import { ProcessHold } from './process-hold.ts'
import { RefusedStream } from './refused-stream.ts'
import type { ClientTls } from './tls-options.ts'
import type { AttemptOptions, Transport, TransportOptions } from './transport.ts'
import { brokeOff, closedError, noLongerNamed, notTaken, wentSilent } from './transport-errors.ts'
import { LONGEST_TIMER_MS, withinAttempt } from './within-attempt.ts'

/** Timers of more milliseconds, 24 days, fire at once; nobody waits that long. */
const HEALTH_CHECK = '/grpc.health.v1.Health/Check'

interface CallInFlight {
  readonly address: string
  readonly background: boolean
  /** Without side effects, it may be given up and made elsewhere. */
  readonly read: boolean
  cancel(): void
  /** It was given up because the sidecar went silent. */
  silent: boolean
}

/** Calls over HTTP/2, one stream each, by grpc-js; one connection an address. */
export class GrpcTransport implements Transport {
  readonly #tls: ClientTls | undefined
  readonly #token: CallToken | undefined
  readonly #connections = new Map<string, Connection>()
  readonly #inFlight = new Set<CallInFlight>()
  readonly #waiting = new ProcessHold()
  /** Addresses in use, once that was said. */
  #wanted: ReadonlySet<string> | undefined
  #closed = false

  constructor({ tls, token }: TransportOptions = {}) {
    this.#tls = tls
    this.#token = token
  }

  unary<I extends DescMessage, O extends DescMessage>(
    endpoint: Endpoint,
    method: DescMethodUnary<I, O>,
    request: () => MessageShape<I>,
    options: AttemptOptions,
  ): Promise<MessageShape<O>> {
    return this.#token
      ? this.#token.call((token) => this.unaryShowing(token, endpoint, method, request, options), options)
      : this.unaryShowing(undefined, endpoint, method, request, options)
  }

  /** Makes a call with that token, whatever becomes of it. */
  async unaryShowing<I extends DescMessage, O extends DescMessage>(
    token: string | undefined,
    endpoint: Endpoint,
    method: DescMethodUnary<I, O>,
    request: () => MessageShape<I>,
    options: AttemptOptions,
  ): Promise<MessageShape<O>> {
    const answer = await this.#unary(
      endpoint,
      { path: pathOf(method), read: isRead(method), token },
      () => encode(method, request()),
      options,
    )
    return fromBinary(method.output, answer)
  }

  async *serverStream<I extends DescMessage, O extends DescMessage>(
    endpoint: Endpoint,
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    options: AttemptOptions,
  ): AsyncGenerator<MessageShape<O>> {
    const begin = async (token?: string) => {
      const stream = this.#serverStream(token, endpoint, method, request, options)
      return { stream, first: await stream.next() }
    }
    const { stream, first } = this.#token ? await this.#token.call(begin, options) : await begin()
    if (first.done) return
    try {
      yield first.value
      yield* stream
    } finally {
      await stream.return(undefined)
    }
  }

  async *#serverStream<I extends DescMessage, O extends DescMessage>(
    token: string | undefined,
    endpoint: Endpoint,
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    options: AttemptOptions,
  ): AsyncGenerator<MessageShape<O>> {
    const bytes = encode(method, request)
    const release = options.background ? () => {} : this.#waiting.begin()
    try {
      const connection = await this.connected(endpoint, options)
      const call: ClientReadableStream<Buffer> = connection.client.makeServerStreamRequest(
        pathOf(method),
        asIs,
        asIs,
        bytes,
        metadataWith(token),
        { deadline: grpcDeadline(options.deadline) },
      )
      const following = this.#follow(call, endpoint, isRead(method), options)
      try {
        for await (const answer of call) yield fromBinary(method.output, answer as Buffer)
      } catch (thrown) {
        throw this.#failure(thrown, following, options.signal, endpoint)
      } finally {
        following.end()
        call.cancel()
      }
    } finally {
      release()
    }
  }

  async roundTrip(endpoint: Endpoint, options: AttemptOptions): Promise<number> {
    await this.connected(endpoint, options)
    const start = performance.now()
    await this.#unary(endpoint, { path: HEALTH_CHECK, read: true }, () => Buffer.alloc(0), options)
    return performance.now() - start
  }

  bytesHeard(endpoint: Endpoint): number | undefined {
    return this.#connections.get(endpoint.address)?.bytesHeard
  }

  renew(endpoint: Endpoint, giveUp: boolean): void {
    this.#connections.get(endpoint.address)?.renew()
    if (!giveUp) return
    for (const call of this.#inFlight) {
      if (!call.read || call.background || call.address !== endpoint.address) continue
      call.silent = true
      call.cancel()
    }
  }

  keepOnly(endpoints: readonly Endpoint[]): void {
    const wanted = new Set(endpoints.map((e) => e.address))
    this.#wanted = wanted
    for (const [address, connection] of this.#connections) {
      if (wanted.has(address)) continue
      this.#connections.delete(address)
      connection.close()
    }
  }

  close(): void {
    this.#closed = true
    for (const call of this.#inFlight) call.cancel()
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
    this.#waiting.release()
  }

  /**
   * The connection to a sidecar, once it is ready.
   *
   * @throws PerigeeError `UNAVAILABLE`, `DEADLINE_EXCEEDED` or `CANCELLED`, as a call would fail.
   */
  async connected(endpoint: Endpoint, options: AttemptOptions): Promise<Connection> {
    if (this.#closed) throw closedError()
    if (options.signal?.aborted) throw aborted(options.signal)
    let connection = this.#connections.get(endpoint.address)
    if (!connection) {
      // Nobody would ever close it.
      if (this.#wanted && !this.#wanted.has(endpoint.address)) throw noLongerNamed(endpoint)
      connection = new Connection(endpoint, this.#tls)
      this.#connections.set(endpoint.address, connection)
    }
    if (!connection.ready) {
      const connecting = connection.connect(options.connectTimeoutMs)
      await withinAttempt(connecting, options).catch((error) => {
        throw this.#closed ? closedError() : error
      })
    }
    if (this.#closed) throw closedError()
    return connection
  }

  async #unary(
    endpoint: Endpoint,
    {
      path,
      read,
      token,
    }: { readonly path: string; readonly read: boolean; readonly token?: string | undefined },
    request: () => Buffer,
    options: AttemptOptions,
  ): Promise<Buffer> {
    const { deadline, signal } = options
    const release = options.background ? () => {} : this.#waiting.begin()
    try {
      const connection = await this.connected(endpoint, options)
      const bytes = request()
      return await new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(aborted(signal))
        const call = connection.client.makeUnaryRequest<Buffer, Buffer>(
          path,
          asIs,
          asIs,
          bytes,
          metadataWith(token),
          { deadline: grpcDeadline(deadline) },
          (error, answer) => {
            following.end()
            if (answer) resolve(answer)
            else reject(this.#failure(error, following, signal, endpoint))
          },
        )
        const following = this.#follow(call, endpoint, read, options)
      })
    } finally {
      release()
    }
  }

  /** Cancels the call when the signal fires, the transport closes or the sidecar goes silent, until it ends. */
  #follow(
    call: { cancel(): void },
    { address }: Endpoint,
    read: boolean,
    { signal, background = false }: AttemptOptions,
  ): CallInFlight & { end(): void } {
    const cancel = () => call.cancel()
    const following = {
      ...{ address, background, read, cancel, silent: false },
      end: () => {
        this.#inFlight.delete(following)
        signal?.removeEventListener('abort', cancel)
      },
    }
    this.#inFlight.add(following)
    signal?.addEventListener('abort', cancel, { once: true })
    return following
  }

  #failure(
    thrown: unknown,
    call: CallInFlight,
    signal: AbortSignal | undefined,
    endpoint: Endpoint,
  ): PerigeeError {
    if (signal?.aborted) return aborted(signal)
    if (this.#closed) return closedError()
    if (call.silent) return wentSilent(endpoint, thrown)
    if (connectionBroke(thrown)) return brokeOff(endpoint, thrown)
    const refused = RefusedStream.from(thrown)
    return refused ? notTaken(endpoint, refused) : PerigeeError.from(thrown, endpoint.region)
  }
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`
}

function encode<I extends DescMessage>(method: DescMethod & { input: I }, request: MessageShape<I>): Buffer {
  try {
    const bytes = toBinary(method.input, request)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  } catch (error) {
    throw unwritable(method, error)
  }
}

/** A request that has no form on the wire. */
export function unwritable(method: DescMethod, cause: unknown): PerigeeError {
  const message = cause instanceof Error ? cause.message : String(cause)
  return new PerigeeError(`the request can't be written as a ${method.input.typeName}: ${message}`, {
    code: 'INVALID_ARGUMENT',
    cause,
  })
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}

function grpcDeadline(deadline: Deadline): number {
  const { remainingMs } = deadline
  return remainingMs <= LONGEST_TIMER_MS ? Date.now() + remainingMs : Number.POSITIVE_INFINITY
}
