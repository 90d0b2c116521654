import { randomUUID } from 'node:crypto'
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf'
import type {
  ReadOptions as WireReadOptions,
  Receipt as WireReceipt,
  WriteOptions as WireWriteOptions,
} from '@perigee/protocol'
import {
  type CallOptions,
  type ReadOptions,
  readOptions,
  type WriteOptions,
  writeOptions,
} from './call-options.ts'
import type { CallSettings, Failover } from './failover.ts'
import { type Receipt, receiptFrom } from './receipt.ts'
import { Seen } from './seen.ts'

/** The sidecar's wait for a region to catch up, when the caller doesn't say. */
const DEFAULT_MAX_WAIT_MS = 50
/** On top of a wait the caller allowed, for the answer itself. */
const AFTER_WAIT_MS = 1_000

/** An answer with its receipt, and the region whose sidecar gave it. */
export interface Answer<T> {
  readonly response: T
  readonly receipt: Receipt
  /** The sidecar's region; the receipt names the region whose Redis answered. */
  readonly sidecarRegion: string
}

type Routing = Pick<CallSettings, 'region' | 'mayLeaveHome'>

/** Makes the calls of one session, or of none: attaches the token, makes request ids, takes in receipts. */
export class Calls {
  readonly #failover: Failover
  readonly #defaultTimeoutMs: number
  readonly #seen: Seen | undefined

  constructor(failover: Failover, defaultTimeoutMs: number, seen?: Seen) {
    this.#failover = failover
    this.#defaultTimeoutMs = defaultTimeoutMs
    this.#seen = seen
  }

  /** The same, for a session. */
  of(seen: Seen): Calls {
    return new Calls(this.#failover, this.#defaultTimeoutMs, seen)
  }

  /** @param fields the request but for its `options`. */
  read<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    fields: MessageInitShape<I>,
    options: ReadOptions = {},
    routing: Routing = {},
  ): Promise<Answer<MessageShape<O>>> {
    const patienceMs = Math.max(options.maxWaitMs ?? 0, DEFAULT_MAX_WAIT_MS) + AFTER_WAIT_MS
    const patience = options.maxWaitMs === undefined ? {} : { patienceMs }
    return this.#call(method, fields, (token) => readOptions(options, token), options, {
      ...routing,
      ...patience,
    })
  }

  /**
   * @param fields the request but for its `options`. All attempts carry one request id, made here.
   * @param defaultTimeoutMs when the options have none, and the client's own is shorter: for calls of some MiB.
   */
  write<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    fields: MessageInitShape<I>,
    options: WriteOptions = {},
    defaultTimeoutMs = 0,
  ): Promise<Answer<MessageShape<O>>> {
    const requestId = randomUUID()
    const timeoutMs = options.timeoutMs ?? Math.max(defaultTimeoutMs, this.#defaultTimeoutMs)
    const optionsWith = (token: Uint8Array | undefined) => writeOptions(options, token, requestId)
    return this.#call(method, fields, optionsWith, { ...options, timeoutMs }, {})
  }

  /** A session of its own that has seen what this one has. */
  fork(): Calls {
    const seen = new Seen()
    if (this.seen) seen.include(this.seen)
    return this.of(seen)
  }

  /** The token's bytes of what the session has seen. */
  get seen(): Uint8Array | undefined {
    return this.#seen?.bytes
  }

  /** Takes in what another one has seen. */
  include(token: Uint8Array | undefined): void {
    if (token) this.#seen?.include(token)
  }

  async #call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    fields: MessageInitShape<I>,
    optionsWith: (token: Uint8Array | undefined) => WireReadOptions | WireWriteOptions,
    options: CallOptions,
    settings: Partial<CallSettings>,
  ): Promise<Answer<MessageShape<O>>> {
    const request = create(method.input, fields)
    // Every request has `options`, and every answer a `receipt`; the generated types can't say so for all at once.
    const attempt = () => {
      const withOptions = request as { options?: WireReadOptions | WireWriteOptions }
      withOptions.options = optionsWith(this.#seen?.bytes)
      return request
    }
    const { response, endpoint } = await this.#failover.unary(method, attempt, {
      ...settings,
      timeoutMs: options.timeoutMs ?? this.#defaultTimeoutMs,
      signal: options.signal,
    })
    const wire = (response as { receipt?: WireReceipt }).receipt
    if (wire?.sessionToken.length) this.#seen?.include(wire.sessionToken)
    const receipt = receiptFrom(wire)
    options.onReceipt?.(receipt)
    return { response, receipt, sidecarRegion: endpoint.region }
  }
}
