import type { Endpoint } from './endpoint.ts'
import type { PerigeeError } from './perigee-error.ts'

/** Something that happened on the way and did not fail the call; for logs and metrics. */
export type PerigeeEvent =
  /** A sidecar failed, and the call went on to another one. */
  | {
      readonly type: 'failover'
      readonly from: Endpoint
      readonly to: Endpoint
      readonly error: PerigeeError
    }
  /** `getOrCompute` could not reach the cache, and gave its caller the computed value. */
  | {
      readonly type: 'cache-bypassed'
      readonly namespace: string
      readonly key: string
      readonly error: PerigeeError
    }
  /** A region's name could not be resolved, told once; its last good addresses, if any, stay in use. */
  | { readonly type: 'discovery-failed'; readonly region: string; readonly error: PerigeeError }

/** Hears of events. What it throws becomes a process warning and harms no call. */
export type EventListener = (event: PerigeeEvent) => void

/** A listener that never throws. */
export function guarded(listener: EventListener | undefined): EventListener {
  return (event) => {
    try {
      listener?.(event)
    } catch (error) {
      process.emitWarning(`onEvent threw for ${event.type}: ${error}`, 'PerigeeWarning')
    }
  }
}
