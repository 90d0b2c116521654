import { randomUUID } from 'node:crypto'
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf'
import {
  CacheService,
  type SetFields,
  type SetRequestSchema,
  type ReadOptions as WireReadOptions,
  type Receipt as WireReceipt,
  type WriteOptions as WireWriteOptions,
} from '@perigee/protocol'
import type { BegunCall } from './attempt-plan.ts'
import {
  type CallOptions,
  durabilityOf,
  type ReadOptions,
  readOptions,
  type WriteOptions,
  writeOptions,
} from './call-options.ts'
import type { CallSettings } from './call-settings.ts'
import type { Failover } from './failover.ts'
import { invalidArgument, PerigeeError } from './perigee-error.ts'
import { Interrupted, isPlain, PlainGet } from './plain-get.ts'
import type { QuickSet } from './quick-set.ts'
import { type Receipt, receiptFrom } from './receipt.ts'
import { Seen, type Snapshot } from './seen.ts'

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

/** For calls that don't say. */
export interface CallDefaults {
  readonly defaultTimeoutMs: number
  readonly durability?: WriteOptions['durability']
  readonly hedgeAfterMs?: number | undefined
}

const NO_OPTIONS: ReadOptions = {}

/** A call whose first attempt was begun already. @property sent what the session had seen then. */
type Begun = BegunCall & { readonly sent: Snapshot | undefined }

type Routing = Pick<CallSettings, 'region' | 'mayLeaveHome'>

/** Makes the calls of one session, or of none: attaches the token, makes request ids, takes in receipts. */
export class Calls {
  readonly #failover: Failover
  readonly #session: () => Seen | undefined
  readonly #defaults: CallDefaults

  /** @param session what the session that a call belongs to has seen; asked anew for every call. */
  constructor(failover: Failover, defaults: CallDefaults, session: () => Seen | undefined) {
    this.#failover = failover
    this.#defaults = defaults
    this.#session = session
  }

  /** The same, for one session. */
  of(seen: Seen): Calls {
    return new Calls(this.#failover, this.#defaults, () => seen)
  }

  /** @param fields the request but for its `options`. */
  read<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    fields: MessageInitShape<I>,
    options: ReadOptions = {},
    routing: Routing = {},
    begun?: Begun,
  ): Promise<Answer<MessageShape<O>>> {
    // An eventual read may come from a state that lacks what the session has seen.
    const checked = options.consistency !== 'eventual'
    const patienceMs = Math.max(options.maxWaitMs ?? 0, DEFAULT_MAX_WAIT_MS) + AFTER_WAIT_MS
    const patience = options.maxWaitMs === undefined ? {} : { patienceMs }
    const settings = {
      ...routing,
      ...patience,
      failBehind: options.whenBehind === 'fail',
      hedgeAfterMs: hedgeAfter(options.hedgeAfterMs ?? this.#defaults.hedgeAfterMs),
    }
    const optionsWith = (token: Uint8Array | undefined) => readOptions(options, token)
    return this.#call(method, fields, optionsWith, options, checked, settings, begun)
  }

  /**
   * Reads what the cache holds under a key, by the shortest way there is.
   *
   * @param decode is given what is found, pinned by the frame that it came in.
   */
  value<T>(
    namespace: string,
    key: string,
    options: ReadOptions = NO_OPTIONS,
    decode: (stored: Uint8Array, key: string) => T | Promise<T>,
  ): Promise<T | undefined> {
    let quick: PlainGet | undefined
    try {
      quick = this.#quickGet(namespace, key, options)
    } catch (error) {
      return Promise.reject(error)
    }
    const ordinary = async (begun?: Begun) => {
      const { response } = await this.read(CacheService.method.get, { namespace, key }, options, {}, begun)
      return response.entry && decode(response.entry.value, key)
    }
    if (!quick) return ordinary()
    // An async function here would cost as much as all else that a quick Get does.
    return quick.outcome.then((outcome) => {
      if (!(outcome instanceof Interrupted)) return outcome && decode(outcome, key)
      return ordinary(outcome.begun && { ...outcome.begun, sent: quick.sent })
    })
  }

  /** Begins one, if that can be: see {@link QuickGets}. */
  #quickGet(namespace: string, key: string, options: ReadOptions): PlainGet | undefined {
    const gets = this.#failover.quickGets
    const { hedgeAfterMs = Number.POSITIVE_INFINITY } = this.#defaults
    if (!gets || hedgeAfterMs < Number.POSITIVE_INFINITY || !isPlain(options)) return undefined
    const timeoutMs = options.timeoutMs ?? this.#defaults.defaultTimeoutMs
    const asked = { namespace, key, timeoutMs, consistency: options.consistency }
    const get = new PlainGet(asked, this.#session())
    return gets.begin(get) ? get : undefined
  }

  /**
   * Writes an entry; by the shortest way there is.
   *
   * @param fields the request but for its `options`.
   */
  async set(
    fields: MessageInitShape<typeof SetRequestSchema> & SetFields,
    options: WriteOptions,
  ): Promise<{ readonly version: string; readonly receipt: Receipt }> {
    const requestId = randomUUID()
    const quick = this.#quickSet(fields, options, requestId)
    const outcome = quick ? await quick.outcome : new Interrupted(undefined)
    if (!(outcome instanceof Interrupted))
      return { version: outcome.version, receipt: receiptFrom(outcome.receipt) }
    const begun = outcome.begun && { ...outcome.begun, sent: quick?.sent }
    const { response, receipt } = await this.#write(
      CacheService.method.set,
      fields,
      options,
      requestId,
      begun,
    )
    return { version: response.version, receipt }
  }

  /** Begins one, if that can be: see {@link QuickSets}. */
  #quickSet(fields: SetFields, options: WriteOptions, requestId: string): QuickSet | undefined {
    const sets = this.#failover.quickSets
    if (!sets || options.signal || options.onReceipt) return undefined
    const durability = durabilityOf(options.durability ?? this.#defaults.durability)
    return sets.begin({
      fields: { ...fields, options: { durability, requestId } },
      timeoutMs: options.timeoutMs ?? this.#defaults.defaultTimeoutMs,
      session: this.#session(),
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
    const timeoutMs = options.timeoutMs ?? Math.max(defaultTimeoutMs, this.#defaults.defaultTimeoutMs)
    return this.#write(method, fields, { ...options, timeoutMs }, randomUUID())
  }

  #write<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    fields: MessageInitShape<I>,
    options: WriteOptions,
    requestId: string,
    begun?: Begun,
  ): Promise<Answer<MessageShape<O>>> {
    const durability = options.durability ?? this.#defaults.durability
    const optionsWith = (token: Uint8Array | undefined) =>
      writeOptions({ ...options, durability }, token, requestId)
    return this.#call(method, fields, optionsWith, options, true, {}, begun)
  }

  /** A session of its own that has seen what this one has. */
  fork(): Calls {
    return this.of(new Seen(this.seen?.bytes))
  }

  /** What the session has seen by now; `undefined` outside any. */
  get seen(): Snapshot | undefined {
    return this.#session()?.now
  }

  /** Takes in what another one has seen. @param since what this session had seen when the other one began. */
  include(token: Uint8Array | undefined, since: Snapshot | undefined): void {
    if (token) this.#session()?.include(token, since)
  }

  async #call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    fields: MessageInitShape<I>,
    optionsWith: (token: Uint8Array | undefined) => WireReadOptions | WireWriteOptions,
    options: CallOptions,
    checked: boolean,
    settings: Partial<CallSettings>,
    begun?: Begun,
  ): Promise<Answer<MessageShape<O>>> {
    const session = this.#session()
    const request = create(method.input, fields)
    // What each attempt had been sent with: two of them can be under way at once.
    const sent: (Snapshot | undefined)[] = begun ? [begun.sent] : []
    // Every request has `options`, and every answer a `receipt`; the generated types can't say so for all at once.
    const requestOf = (attempt: number) => {
      const withOptions = request as { options?: WireReadOptions | WireWriteOptions }
      sent[attempt] = session?.now
      withOptions.options = optionsWith(sent[attempt]?.bytes)
      return request
    }
    try {
      const timeoutMs = options.timeoutMs ?? this.#defaults.defaultTimeoutMs
      const all = { ...settings, timeoutMs, signal: options.signal }
      const { response, endpoint, attempt } = await this.#failover.unary(method, requestOf, all, begun)
      const wire = (response as { receipt?: WireReceipt }).receipt
      if (wire?.sessionToken.length) session?.include(wire.sessionToken, sent[attempt], checked)
      const receipt = receiptFrom(wire)
      options.onReceipt?.(receipt)
      return { response, receipt, sidecarRegion: endpoint.region }
    } catch (error) {
      const lost = error instanceof PerigeeError && error.reason === 'LOST_HISTORY'
      // Whichever attempt heard of it: what the last one was sent with includes what all were.
      const last = sent.findLast((one) => one !== undefined)
      if (lost && last) session?.lost(error.metadata.session_token, last)
      throw error
    }
  }
}

/** @throws PerigeeError for what is no time. */
function hedgeAfter(ms: number | undefined): number | undefined {
  if (ms === undefined || ms >= 0) return ms
  throw invalidArgument(`hedgeAfterMs is a number of milliseconds, not ${ms}`, 'hedgeAfterMs')
}
