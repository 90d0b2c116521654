import { Deadline } from './deadline.ts'
import { invalidArgument } from './perigee-error.ts'

/** How one call is to be made. */
export interface CallSettings {
  /** Over all attempts. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Only this region will do. */
  readonly region?: string | undefined
  /** No attempt is cut shorter than this to leave time for another one. */
  readonly patienceMs?: number | undefined
  /** A read without an answer by then is sent to another sidecar as well. */
  readonly hedgeAfterMs?: number | undefined
  /** `BEHIND_SESSION` is what the caller wants to hear, not a reason to ask another region. */
  readonly failBehind?: boolean | undefined
  /** Asked before the first attempt outside the home region: whether another region's answer would be as right. */
  readonly mayLeaveHome?: ((deadline: Deadline) => Promise<boolean>) | undefined
}

/** When the call must have ended. @throws PerigeeError `INVALID_ARGUMENT` for what is no time. */
export function deadlineOf({ timeoutMs }: CallSettings): Deadline {
  if (!Number.isNaN(timeoutMs)) return Deadline.in(timeoutMs)
  throw invalidArgument('timeoutMs is a number of milliseconds, not NaN', 'timeoutMs')
}
