import { DEFAULT_LIMITS } from '@perigee/core'

/** A call that may carry 4 MiB gets at least this, unless its caller says otherwise. */
export const BULK_TIMEOUT_MS = 30_000
/** Room in a message for all but its items. */
const ENVELOPE_BYTES = 4 * 1024

/** What one call may carry. */
export interface BatchLimits<T> {
  readonly countMax: number
  /** An upper bound of the item's bytes on the wire. */
  sizeOf(item: T): number
  /** Bytes of all items together. Default: what a message of 4 MiB has room for. */
  readonly bytesMax?: number
}

/** Splits items, in order, into batches that fit one call. An item too large for any goes alone, to be refused. */
export function* batchesOf<T>(items: Iterable<T>, limits: BatchLimits<T>): Generator<T[]> {
  const { countMax, sizeOf, bytesMax = DEFAULT_LIMITS.messageBytesMax - ENVELOPE_BYTES } = limits
  let batch: T[] = []
  let bytes = 0
  for (const item of items) {
    const size = sizeOf(item)
    if (batch.length > 0 && (batch.length >= countMax || bytes + size > bytesMax)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(item)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

/** As many keys or ids from the front as one call takes. */
export function firstBatch(keys: readonly string[]): string[] {
  const limits = { countMax: DEFAULT_LIMITS.batchMax, sizeOf: (key: string) => key.length * 3 + 8 }
  return batchesOf(keys, limits).next().value ?? []
}
