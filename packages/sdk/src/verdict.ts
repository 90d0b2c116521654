import type { AttemptFailure } from './endpoint.ts'
import type { PerigeeError } from './perigee-error.ts'
import { RefusedStream } from './refused-stream.ts'

/** A sidecar that was given less time than this may be well and merely have been asked too much. */
const FAIR_MS = 300

/** What a failed attempt means. */
export interface Verdict {
  /** Another sidecar may do better. */
  readonly tryNext: boolean
  /** How the sidecar itself failed; `undefined` when it did answer. */
  readonly failure?: AttemptFailure
}

const FINAL: Verdict = { tryNext: false }
const NEXT: Verdict = { tryNext: true }
const ERROR: Verdict = { tryNext: true, failure: 'error' }
const TIMEOUT: Verdict = { tryNext: true, failure: 'timeout' }
const UNREACHABLE: Verdict = { tryNext: true, failure: 'unreachable' }

/** What an error says of the call, and of the sidecar it came from after `tookMs`. */
export function judge(
  error: PerigeeError,
  { read, failBehind, tookMs }: { read: boolean; failBehind: boolean; tookMs: number },
): Verdict {
  switch (error.reason) {
    case 'BEHIND_SESSION':
      return failBehind ? FINAL : NEXT
    case 'DATA_UNAVAILABLE':
      return ERROR
    case 'INDEX_BUILDING':
    case 'NO_PRIMARY':
    case 'NOT_PRIMARY':
    case 'OUTCOME_UNKNOWN':
    // That one sidecar's limit.
    case 'OVERLOADED':
      return NEXT
    case undefined:
      break
    default:
      return FINAL
  }
  switch (error.code) {
    case 'UNAVAILABLE':
      // Its health says at once whether it is gone, or merely closed an old connection.
      if (error.cause instanceof RefusedStream) return NEXT
      return neverSent(error) ? UNREACHABLE : ERROR
    case 'DEADLINE_EXCEEDED':
      return tookMs >= FAIR_MS ? TIMEOUT : NEXT
    // Something that isn't a sidecar answers at that address: a proxy, another service.
    case 'UNIMPLEMENTED':
      return UNREACHABLE
    // Reset by the other side, with gRPC's error as its cause; our own close has none.
    case 'CANCELLED':
      return error.cause === undefined ? FINAL : ERROR
    // A fault of that sidecar. A write may have happened, and the next one would be told the first answer.
    case 'INTERNAL':
    case 'UNKNOWN':
      return read ? NEXT : FINAL
    default:
      return FINAL
  }
}

/** Whether a call never left this process: without gRPC's own error as the cause there was no connection to send it on. */
export function neverSent({ reason, cause }: PerigeeError): boolean {
  return reason === undefined && !(cause instanceof Error && 'metadata' in cause)
}

/** Whether a write that failed like this may have been done all the same. */
export function mayHaveDone(error: PerigeeError): boolean {
  if (error.reason) return error.reason === 'OUTCOME_UNKNOWN'
  return !neverSent(error) && error.code !== 'UNIMPLEMENTED'
}

/** Whether an error may come from too much to do, which sending a call again only adds to. */
export function overload({ code, reason }: PerigeeError): boolean {
  return reason === 'OVERLOADED' || (reason === undefined && code === 'DEADLINE_EXCEEDED')
}
