import type { ReadOptions, WriteOptions } from './call-options.ts'
import type { Codec } from './codec.ts'
import type { Receipt } from './receipt.ts'

/** How to open a cache. */
export interface CacheOptions<Out, In = Out> {
  /** How values become bytes: `json(schema)`, `json()`, `text`, `bytes`, or your own. Default: `json()`. */
  readonly codec?: Codec<Out, In> | undefined
  /** For writes that bring no `ttlMs`, in milliseconds. Default: the sidecar's, which is that entries don't expire. */
  readonly defaultTtlMs?: number | undefined
}

/** How to write one entry. */
export interface SetOptions extends WriteOptions {
  /** Expiry in milliseconds from now, above zero. Default: the cache's `defaultTtlMs`. */
  readonly ttlMs?: number | undefined
  /** Write only if the key is there. */
  readonly ifExists?: boolean | undefined
  /** Write only if the key isn't there. */
  readonly ifAbsent?: boolean | undefined
  /** Write only if the entry still has this version. */
  readonly ifVersion?: string | undefined
}

/** How to write many entries. */
export interface SetManyOptions extends WriteOptions {
  /** Expiry in milliseconds from now by this machine's clock, above zero. Default: the cache's `defaultTtlMs`. */
  readonly ttlMs?: number | undefined
}

/** How to delete. */
export interface DeleteOptions extends WriteOptions {
  /** Delete only if the entry still has this version; for one key alone. */
  readonly ifVersion?: string | undefined
}

/** How to list keys. */
export interface KeysOptions extends ReadOptions {
  /** Keys a page, 1 to 1,000. Default 1,000. */
  readonly pageSize?: number | undefined
}

/** How `getOrCompute` reads and writes. */
export interface GetOrComputeOptions extends ReadOptions {
  /** Expiry of a computed value in milliseconds. Default: the cache's `defaultTtlMs`. */
  readonly ttlMs?: number | undefined
}

/** An entry with what is known of it. */
export interface CacheEntry<T> {
  readonly key: string
  readonly value: T
  /** Changes with every write of the key: compare for equality only, and hand it to `ifVersion`. */
  readonly version: string
  readonly contentType: string
  readonly writtenAt: Date | undefined
  /** Absent when it doesn't expire. */
  readonly expiresAt: Date | undefined
  readonly receipt: Receipt
}
