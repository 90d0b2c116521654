import type { Duration } from '@bufbuild/protobuf/wkt'
import { invalidField } from '../../status-error.ts'
import { msOf } from '../../wire-time.ts'

/** Longest time to live: so that no expiry leaves what a Timestamp can hold. 1,000 years. */
const TTL_MS_MAX = 1000 * 365.25 * 24 * 3600 * 1000

/** A time to live in whole milliseconds, at least one; `undefined` when there is none. */
export function ttlMsOf(field: string, ttl: Duration | undefined): number | undefined {
  if (!ttl) return undefined
  const ms = msOf(ttl)
  if (ms <= 0) throw invalidField(field, 'must be above zero; leave it unset for no time to live of its own')
  if (ms > TTL_MS_MAX)
    throw invalidField(field, 'must be at most 1,000 years; leave it unset for what never expires')
  return Math.ceil(ms)
}

/** A wait in milliseconds; the default when there is none. */
export function waitMsOf(field: string, wait: Duration | undefined, defaultMs: number): number {
  if (!wait) return defaultMs
  const ms = msOf(wait)
  if (ms < 0) throw invalidField(field, 'must not be negative')
  return ms
}
