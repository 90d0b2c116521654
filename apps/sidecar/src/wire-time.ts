import { create } from '@bufbuild/protobuf'
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt'

/** Microseconds are what Redis's clock tells; protobuf refuses nanos with a fraction. */
const NANOS_PER_MICRO = 1000

/** A duration message, to whole microseconds. */
export function durationOf(ms: number): Duration {
  const micros = Math.round(ms * 1000)
  const seconds = Math.trunc(micros / 1e6)
  // Adding zero turns -0 into 0, which protobuf would take for a fraction.
  const nanos = (micros - seconds * 1e6) * NANOS_PER_MICRO + 0
  return create(DurationSchema, { seconds: BigInt(seconds), nanos })
}

/** A timestamp message from Unix milliseconds, to whole microseconds. */
export function timestampOf(unixMs: number): Timestamp {
  const micros = Math.round(unixMs * 1000)
  const seconds = Math.floor(micros / 1e6)
  return create(TimestampSchema, {
    seconds: BigInt(seconds),
    nanos: (micros - seconds * 1e6) * NANOS_PER_MICRO,
  })
}

/** A duration in milliseconds, with its fraction. */
export function msOf(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6
}

/** A timestamp in Unix milliseconds, with its fraction. */
export function unixMsOf(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6
}
