import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageShape,
} from '@bufbuild/protobuf'
import type { CallToken } from './call-token.ts'
import type { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import type { ClientTls } from './tls-options.ts'

/** How long one attempt may take, and what gives it up. */
export interface AttemptOptions {
  readonly deadline: Deadline
  /** Longest wait for a connection, within the deadline. In milliseconds. */
  readonly connectTimeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Nobody waits for it: it keeps no process alive. */
  readonly background?: boolean | undefined
}

/** What all calls of a client have in common. */
export interface TransportOptions {
  /** None: connections are without TLS. */
  readonly tls?: ClientTls | undefined
  /** What calls show to say who makes them; none: nothing. */
  readonly token?: CallToken | undefined
}

/** The seam between "which sidecar" and "how to call it": one attempt of one call at one sidecar. */
export interface Transport {
  /**
   * @param request made when it is sent, over a connection that is there by then.
   * @throws PerigeeError with the sidecar's own code and reason; `UNAVAILABLE` without a reason when it could not
   * be reached; `DEADLINE_EXCEEDED` past the deadline; `CANCELLED` when the signal fired.
   */
  unary<I extends DescMessage, O extends DescMessage>(
    endpoint: Endpoint,
    method: DescMethodUnary<I, O>,
    request: () => MessageShape<I>,
    options: AttemptOptions,
  ): Promise<MessageShape<O>>

  /** The answers as they come. Fails as {@link unary} does. Leaving the loop cancels the call. */
  serverStream<I extends DescMessage, O extends DescMessage>(
    endpoint: Endpoint,
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    options: AttemptOptions,
  ): AsyncIterable<MessageShape<O>>

  /** The round trip to a sidecar in milliseconds, over a connection that exists by then. */
  roundTrip(endpoint: Endpoint, options: AttemptOptions): Promise<number>

  /**
   * Grows with every byte that comes from a sidecar, which is asked for a sign of life every second. `undefined` while
   * there is no connection to it.
   */
  bytesHeard(endpoint: Endpoint): number | undefined

  /**
   * For a sidecar that went silent: calls use a new connection from now on.
   *
   * @param giveUp whether calls without side effects that are under way there fail with `UNAVAILABLE` now, because
   *   another sidecar can be asked instead. All others go on.
   */
  renew(endpoint: Endpoint, giveUp: boolean): void

  /** Forgets connections to addresses that are no longer in use; calls to these fail with `UNAVAILABLE` from now on. */
  keepOnly(endpoints: readonly Endpoint[]): void

  /** Gives up the calls in flight and closes every connection. */
  close(): void
}
