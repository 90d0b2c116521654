import type { Endpoint } from './endpoint.ts'
import type { PerigeeError } from './perigee-error.ts'

/** What of a sidecar is or isn't in use. */
export type ServiceWord = 'cache' | 'search'

/** Something that happened on the way and did not fail the call; for logs and metrics. */
export type PerigeeEvent =
  /** A sidecar failed, and the call went on to another one. */
  | {
      readonly type: 'failover'
      readonly from: Endpoint
      readonly to: Endpoint
      readonly error: PerigeeError
    }
  /**
   * Others are asked before this sidecar from now on, because its calls failed, its health says that it doesn't serve, or
   * it can't be reached.
   */
  | {
      readonly type: 'ejected'
      readonly endpoint: Endpoint
      readonly services: readonly ServiceWord[]
      readonly why: 'failed' | 'not-serving' | 'unreachable'
      readonly error: PerigeeError | undefined
    }
  /** It has been well for a while, and has its place back. */
  | { readonly type: 'restored'; readonly endpoint: Endpoint; readonly services: readonly ServiceWord[] }
  /** A read had no answer after `hedgeAfterMs`, or a write after half of its time: it was sent to another sidecar as well. */
  | { readonly type: 'hedged'; readonly from: Endpoint; readonly to: Endpoint }
  /** A call failed though others could have been asked: too many calls of late had to be sent again. */
  | { readonly type: 'retry-refused'; readonly endpoint: Endpoint; readonly error: PerigeeError }
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
