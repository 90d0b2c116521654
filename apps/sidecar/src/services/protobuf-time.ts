import { create } from '@bufbuild/protobuf'
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt'

/** A duration of milliseconds, to the microsecond. */
export function durationOf(ms: number): Duration {
  return create(DurationSchema, split(ms))
}

/** The timestamp of Unix milliseconds, to the microsecond. */
export function timestampOf(unixMs: number): Timestamp {
  return create(TimestampSchema, split(unixMs))
}

/** Of an instant or a duration; a negative duration has negative nanos. */
function split(ms: number): { seconds: bigint; nanos: number } {
  const us = Math.round(ms * 1000)
  return { seconds: BigInt(Math.trunc(us / 1e6)), nanos: (us % 1e6) * 1000 }
}
