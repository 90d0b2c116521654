import { create } from '@bufbuild/protobuf'
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt'
import { invalidArgument } from './perigee-error.ts'

/**
 * A duration message, to whole microseconds. protobuf-es's own refuses to be sent with a fraction of a millisecond.
 *
 * @throws PerigeeError `INVALID_ARGUMENT` for NaN and infinities.
 */
export function durationFromMs(ms: number, field: string): Duration {
  if (!Number.isFinite(ms)) throw invalidArgument(`${field} is a number of milliseconds, not ${ms}`, field)
  const micros = Math.round(ms * 1000)
  const seconds = Math.trunc(micros / 1e6)
  // Adding zero turns -0 into 0, which protobuf would take for a fraction.
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1e6) * 1000 + 0 })
}

/** A duration in milliseconds, with its fraction, which protobuf-es's own rounds away. */
export function durationMs(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6
}
