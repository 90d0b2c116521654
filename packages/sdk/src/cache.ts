import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt'
import { DEFAULT_LIMITS } from '@perigee/core'
import { CacheService, type PreconditionSchema, type Entry as WireEntry } from '@perigee/protocol'
import { BULK_TIMEOUT_MS, batchesOf, firstBatch } from './batch.ts'
import type {
  CacheEntry,
  CacheOptions,
  DeleteOptions,
  GetOrComputeOptions,
  KeysOptions,
  SetManyOptions,
  SetOptions,
} from './cache-options.ts'
import type { ReadOptions, WriteOptions } from './call-options.ts'
import type { Calls } from './calls.ts'
import { type Codec, UnreadableValueError } from './codec.ts'
import type { Computations } from './computations.ts'
import { durationFromMs } from './duration.ts'
import type { EventListener } from './event.ts'
import { invalidArgument, PerigeeError } from './perigee-error.ts'
import type { Receipt } from './receipt.ts'

const methods = CacheService.method
const WRITE_BATCH = 200

/** A computed value. */
interface Computed {
  /** What the cache will hold; `undefined` for a value that isn't to be kept. */
  readonly stored: Uint8Array | undefined
  /** What whoever takes it has seen. */
  readonly seen: Uint8Array | undefined
}

/**
 * One namespace of the replicated cache: read in the nearest region, written in the primary one.
 *
 * A cache may forget an entry, but in a session it never goes back to an older one. Every method fails with a
 * {@link PerigeeError}; a miss is no error.
 */
export class Cache<Out, In = Out> {
  readonly namespace: string
  readonly #codec: Codec<Out, In>
  readonly #defaultTtlMs: number | undefined
  readonly #calls: Calls
  readonly #computations: Computations
  readonly #onEvent: EventListener

  /** Use `perigee.cache()` or `session.cache()`. */
  constructor(
    namespace: string,
    options: CacheOptions<Out, In> & { readonly codec: Codec<Out, In> },
    parts: { readonly calls: Calls; readonly computations: Computations; readonly onEvent: EventListener },
  ) {
    this.namespace = namespace
    this.#codec = options.codec
    this.#defaultTtlMs = options.defaultTtlMs
    this.#calls = parts.calls
    this.#computations = parts.computations
    this.#onEvent = parts.onEvent
  }

  /**
   * The value of a key; `undefined` when there is none.
   *
   * @throws PerigeeError `FAILED_PRECONDITION` when the stored value doesn't fit the codec.
   */
  get(key: string, options?: ReadOptions): Promise<Out | undefined> {
    return this.#calls.value(this.namespace, key, options, this.#decode)
  }

  /** The entry of a key with its version, times and receipt; `undefined` when there is none. */
  async getEntry(key: string, options?: ReadOptions): Promise<CacheEntry<Out> | undefined> {
    const { response, receipt } = await this.#calls.read(
      methods.get,
      { namespace: this.namespace, key },
      options,
    )
    if (!response.entry) return undefined
    return this.#entry(response.entry, receipt)
  }

  /** The values of those keys that are there, in the order asked. Any number of keys; each call is atomic for itself. */
  async getMany(keys: Iterable<string>, options?: ReadOptions): Promise<Map<string, Out>> {
    const entries = await this.getManyEntries(keys, options)
    return new Map([...entries].map(([key, entry]) => [key, entry.value]))
  }

  /** The entries of those keys that are there, in the order asked. */
  async getManyEntries(keys: Iterable<string>, options?: ReadOptions): Promise<Map<string, CacheEntry<Out>>> {
    const asked = [...new Set(keys)]
    const found = new Map<string, CacheEntry<Out>>()
    let rest = asked
    while (rest.length > 0) {
      const now = firstBatch(rest)
      const { response, receipt } = await this.#calls.read(
        methods.getMany,
        { namespace: this.namespace, keys: now },
        options,
      )
      for (const entry of response.entries) found.set(entry.key, await this.#entry(entry, receipt))
      if (response.unreadKeys.length >= now.length) {
        throw new PerigeeError(
          `the sidecar left every key unread of ${now.length}: raise its message limit`,
          {
            code: 'INTERNAL',
            region: receipt.region,
          },
        )
      }
      rest = [...response.unreadKeys, ...rest.slice(now.length)]
    }
    return new Map(asked.flatMap((key) => (found.has(key) ? [[key, found.get(key) as CacheEntry<Out>]] : [])))
  }

  /**
   * Writes an entry.
   *
   * @throws PerigeeError `ABORTED`, `PRECONDITION_FAILED`, when `ifExists`, `ifAbsent` or `ifVersion` doesn't hold;
   * nothing was changed then.
   */
  async set(
    key: string,
    value: In,
    options: SetOptions = {},
  ): Promise<{ readonly version: string; readonly receipt: Receipt }> {
    const encoded = this.#encode(key, value)
    const bytes = isThenable(encoded) ? await encoded : encoded
    return await this.#setEncoded(this.#calls, key, bytes, options)
  }

  /**
   * Writes many entries, in calls of at most 200 that fit a message. Each call is written whole or not at all; when
   * one fails, the calls before it stay written. `timeoutMs` holds for each call; its default is at least 30 s.
   *
   * @returns each key's version, and the last call's receipt.
   */
  async setMany(
    entries: Iterable<readonly [key: string, value: In]>,
    options: SetManyOptions = {},
  ): Promise<{ readonly versions: Map<string, string>; readonly receipt: Receipt | undefined }> {
    const ttlMs = ttlOf(options.ttlMs ?? this.#defaultTtlMs)
    const contentType = this.#codec.contentType
    const encoded: { key: string; value: Uint8Array }[] = []
    for (const [key, value] of entries) encoded.push({ key, value: await this.#encode(key, value) })
    const versions = new Map<string, string>()
    let last: Receipt | undefined
    const sizeOf = (e: { key: string; value: Uint8Array }) => e.value.length + e.key.length * 3 + 320
    for (const batch of batchesOf(encoded, { countMax: WRITE_BATCH, sizeOf })) {
      const expiry = ttlMs === undefined ? {} : { expiresAt: timestampFromMs(Math.ceil(Date.now() + ttlMs)) }
      const { response, receipt } = await this.#calls.write(
        methods.setMany,
        { namespace: this.namespace, entries: batch.map((entry) => ({ ...entry, contentType, ...expiry })) },
        options,
        BULK_TIMEOUT_MS,
      )
      for (const [i, { key }] of batch.entries()) versions.set(key, response.versions[i] ?? '')
      last = receipt
    }
    return { versions, receipt: last }
  }

  /**
   * Deletes one key or several.
   *
   * @returns how many there were.
   * @throws PerigeeError `ABORTED`, `PRECONDITION_FAILED`, when `ifVersion` doesn't hold.
   */
  async delete(
    keys: string | readonly string[],
    options: DeleteOptions = {},
  ): Promise<{ readonly deleted: number; readonly receipt: Receipt | undefined }> {
    const precondition = preconditionOf(options)
    let deleted = 0
    let last: Receipt | undefined
    let rest = typeof keys === 'string' ? [keys] : [...new Set(keys)]
    if (precondition && rest.length !== 1) throw invalidArgument('ifVersion is for exactly one key', 'keys')
    while (rest.length > 0) {
      const batch = firstBatch(rest)
      rest = rest.slice(batch.length)
      const { response, receipt } = await this.#calls.write(
        methods.delete,
        { namespace: this.namespace, keys: batch, ...(precondition && { precondition }) },
        options,
      )
      deleted += response.deleted
      last = receipt
    }
    return { deleted, receipt: last }
  }

  /** All keys that begin with `prefix`, in no order; each key there all the while comes at least once. */
  async *keys(prefix = '', options: KeysOptions = {}): AsyncGenerator<string, void, undefined> {
    let pageToken = ''
    let region: string | undefined
    do {
      const fields = {
        namespace: this.namespace,
        prefix,
        pageSize: options.pageSize ?? DEFAULT_LIMITS.batchMax,
        pageToken,
      }
      // A page token means something only where the page before it came from.
      const { response, sidecarRegion } = await this.#calls.read(methods.listKeys, fields, options, {
        region,
      })
      yield* response.keys
      pageToken = response.nextPageToken
      region = sidecarRegion
    } while (pageToken)
  }

  /** Forgets every entry written before it, at once. */
  async clear(options?: WriteOptions): Promise<{ readonly receipt: Receipt }> {
    const { receipt } = await this.#calls.write(
      methods.clearNamespace,
      { namespace: this.namespace },
      options,
    )
    return { receipt }
  }

  /**
   * The value of a key, or what `compute` makes of it, which is then cached.
   *
   * In one process a key is computed once at a time: callers that find it missing meanwhile share the result. Errors
   * of `compute` are thrown and not cached, nor is `undefined`. A cached value that no longer fits the codec counts as
   * missing. When the cache can't be reached, the value is computed and returned all the same, and `onEvent` hears
   * `cache-bypassed`. `timeoutMs` holds for the read and for the write, not for `compute`.
   */
  async getOrCompute(
    key: string,
    compute: () => In | Promise<In>,
    options: GetOrComputeOptions = {},
  ): Promise<Out> {
    const slot = JSON.stringify([this.namespace, key, this.#codec.contentType])
    return this.#computations.visit<Computed, Out>(slot, async (join) => {
      let reachable = true
      try {
        const read = async (stored: Uint8Array) => ({ value: await this.#decode(stored, key) })
        const found = await this.#calls.value(this.namespace, key, options, read)
        if (found) return found.value
      } catch (thrown) {
        const error = PerigeeError.from(thrown)
        if (!(error instanceof UnreadableValueError)) {
          if (!isOutage(error)) throw error
          reachable = false
          this.#onEvent({ type: 'cache-bypassed', namespace: this.namespace, key, error })
        }
      }
      const before = this.#calls.seen
      const start = () => this.#computeAndSet(key, compute, reachable, options)
      const { stored, seen } = await join(options.signal, start)
      this.#calls.include(seen, before)
      // Each caller reads a value of its own, by its own codec, as from the cache.
      return stored === undefined ? (undefined as Out) : this.#decode(stored, key)
    })
  }

  async #computeAndSet(
    key: string,
    compute: () => In | Promise<In>,
    reachable: boolean,
    { ttlMs, timeoutMs, onReceipt }: GetOrComputeOptions,
  ): Promise<Computed> {
    const computed = await compute()
    if (computed === undefined) return { stored: undefined, seen: undefined }
    const stored = await this.#encode(key, computed)
    const calls = this.#calls.fork()
    if (reachable) {
      try {
        // Without the caller's signal: others may wait for this computation too.
        await this.#setEncoded(calls, key, stored, { ttlMs, timeoutMs, onReceipt })
      } catch (thrown) {
        const error = PerigeeError.from(thrown)
        // A session's lost history is its own to hear of, on its next call, and nothing to those who share the value.
        if (!isOutage(error) && error.reason !== 'LOST_HISTORY') throw error
        this.#onEvent({ type: 'cache-bypassed', namespace: this.namespace, key, error })
      }
    }
    return { stored, seen: calls.seen?.bytes }
  }

  #setEncoded(
    calls: Calls,
    key: string,
    value: Uint8Array,
    options: SetOptions,
  ): Promise<{ readonly version: string; readonly receipt: Receipt }> {
    const ttlMs = ttlOf(options.ttlMs ?? this.#defaultTtlMs)
    const precondition = preconditionOf(options)
    const fields = {
      namespace: this.namespace,
      key,
      value,
      contentType: this.#codec.contentType,
      ttl: ttlMs === undefined ? undefined : durationFromMs(ttlMs, 'ttl'),
      precondition,
    }
    return calls.set(fields, options)
  }

  #encode(key: string, value: In): Uint8Array | Promise<Uint8Array> {
    try {
      const encoded = this.#codec.encode(value)
      if (!isThenable(encoded)) return encoded
      return Promise.resolve(encoded).catch((cause) => this.#unwritable(key, cause))
    } catch (cause) {
      return this.#unwritable(key, cause)
    }
  }

  #unwritable(key: string, cause: unknown): never {
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `the value for ${this.namespace}/${key} does not fit the codec: ${why}`
    throw invalidArgument(message, 'value', { cause })
  }

  readonly #decode = (stored: Uint8Array, key: string): Out | Promise<Out> => {
    try {
      const decoded = this.#codec.decode(stored)
      if (!isThenable(decoded)) return decoded
      return Promise.resolve(decoded).catch((cause) => this.#unreadable(key, cause))
    } catch (cause) {
      return this.#unreadable(key, cause)
    }
  }

  #unreadable(key: string, cause: unknown): never {
    throw new UnreadableValueError(`${this.namespace}/${key}`, cause)
  }

  async #entry(wire: WireEntry, receipt: Receipt): Promise<CacheEntry<Out>> {
    return {
      key: wire.key,
      value: await this.#decode(wire.value, wire.key),
      version: wire.version,
      contentType: wire.contentType,
      writtenAt: wire.writtenAt && timestampDate(wire.writtenAt),
      expiresAt: wire.expiresAt && timestampDate(wire.expiresAt),
      receipt,
    }
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

function ttlOf(ttlMs: number | undefined): number | undefined {
  if (ttlMs === undefined || (Number.isFinite(ttlMs) && ttlMs > 0)) return ttlMs
  throw invalidArgument(
    `ttlMs is a number of milliseconds above zero, not ${ttlMs}; leave it out for no expiry`,
    'ttl',
  )
}

type Conditions = Pick<SetOptions, 'ifExists' | 'ifAbsent' | 'ifVersion'>

function preconditionOf(options: Conditions): MessageInitShape<typeof PreconditionSchema> | undefined {
  const { ifExists, ifAbsent, ifVersion } = options
  if ([ifExists, ifAbsent, ifVersion !== undefined].filter(Boolean).length > 1) {
    throw invalidArgument('give only one of ifExists, ifAbsent and ifVersion', 'precondition')
  }
  if (ifExists) return { condition: { case: 'exists', value: true } }
  if (ifAbsent) return { condition: { case: 'exists', value: false } }
  return ifVersion === undefined ? undefined : { condition: { case: 'version', value: ifVersion } }
}

/** Whether an error means that the cache can't be used just now, not that the call was wrong. */
function isOutage(error: PerigeeError): boolean {
  return ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'INTERNAL', 'UNKNOWN'].includes(
    error.code,
  )
}
