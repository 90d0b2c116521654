import type { CallSettings } from './call-settings.ts'
import type { Deadline } from './deadline.ts'
import type { Endpoint, EndpointChooser } from './endpoint.ts'
import type { EventListener } from './event.ts'
import type { ServiceName } from './health-watch.ts'
import type { Overloads } from './overloads.ts'
import type { PerigeeError } from './perigee-error.ts'
import type { RetryBudget } from './retry-budget.ts'
import type { AttemptOptions } from './transport.ts'

/** What part of the time left an attempt may take while there are others to ask: the first, and each later one. */
export const FIRST_SHARE = 1 / 2
export const LATER_SHARE = 2 / 3

/** What all calls of a client share. */
export interface AttemptTools {
  readonly chooser: EndpointChooser
  readonly connectTimeoutMs: number
  readonly onEvent: EventListener
  readonly budget: RetryBudget
  readonly overloads: Overloads
}

/** What one call is. */
export interface AttemptPlan<T> {
  readonly read: boolean
  readonly service: ServiceName
  readonly settings: CallSettings
  /** @param number of the attempt, from 0. */
  readonly attempt: (endpoint: Endpoint, options: AttemptOptions, number: number) => Promise<T>
}

/** An attempt that failed. */
export interface FailedAttempt {
  readonly endpoint: Endpoint
  readonly error: PerigeeError
  readonly tookMs: number
  /** Whether its sidecar was in use when it began. */
  readonly wasInUse: boolean
}

/** An attempt that has been under way for so long that another sidecar may be asked as well. */
export interface SlowAttempt {
  readonly endpoint: Endpoint
  /** By `performance.now()`. */
  readonly startedMs: number
  /** @returns the answer, encoded; `undefined`: nothing was done, and it is to be made anew. */
  answer(signal: AbortSignal | undefined): Promise<Buffer | undefined>
}

/** A call whose first attempt was made elsewhere: it has failed, or takes long. */
export interface BegunCall {
  readonly deadline: Deadline
  readonly failed?: FailedAttempt
  readonly slow?: SlowAttempt
}
