import type { FrameCall } from '@perigee/protocol'
import type { CallContext } from '../grpc/call.ts'
import type { Principal } from '../security/principal.ts'
import type { StatusError } from '../status-error.ts'
import type { FrameSession } from './frame-session.ts'
import type { MultiplexedMethod } from './methods.ts'

/** When a frame was read, and what that means for its calls. */
export interface Arrival {
  /** Unix milliseconds. */
  readonly atMs: number
  /** By the monotonic clock. */
  readonly startedMs: number
  readonly waitedMsMax: number
  /** Of the frame, which is kept while any of its calls is answered. */
  readonly bytes: number
  /** Of its calls, how many are being answered. */
  inFlight: number
}

/** One call of a stream on its way through the sidecar: what was asked, and the context that its handler sees. */
export class MultiplexedCall implements CallContext {
  readonly asked: FrameCall
  readonly arrival: Arrival
  /** `undefined` when the call asks for none that this version knows. */
  readonly method: MultiplexedMethod | undefined
  /** The session that the call names; `undefined`: the request's own options. */
  readonly session: FrameSession | undefined
  readonly principal: Principal
  readonly timeoutMs: number
  readonly deadlineMs: number
  readonly waitedMsMax: number
  readonly startedMs: number
  /** When something is due to be done about it, Unix milliseconds: no later than its deadline. */
  dueMs: number
  /** What it is done together with, if it is. */
  grouped: 'get' | 'set' | undefined
  /** Whether it has its reply, or needs none any more. */
  answered = false
  #abort: AbortController | undefined
  #givenUp: StatusError | undefined

  constructor(
    asked: FrameCall,
    {
      arrival,
      timeoutMs,
      ...rest
    }: {
      arrival: Arrival
      timeoutMs: number
      method: MultiplexedMethod | undefined
      session: FrameSession | undefined
      principal: Principal
    },
  ) {
    this.asked = asked
    this.arrival = arrival
    this.method = rest.method
    this.session = rest.session
    this.principal = rest.principal
    this.timeoutMs = timeoutMs
    this.deadlineMs = arrival.atMs + timeoutMs
    this.dueMs = this.deadlineMs
    this.waitedMsMax = arrival.waitedMsMax
    this.startedMs = arrival.startedMs
  }

  get id(): number {
    return this.asked.id
  }

  /** Made when first asked for: most calls are answered without. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#givenUp) this.#abort.abort(this.#givenUp)
    }
    return this.#abort.signal
  }

  /** Nobody waits for it any more; its handler's signal aborts with the error. */
  giveUp(error: StatusError): void {
    this.answered = true
    this.#givenUp = error
    this.#abort?.abort(error)
  }
}
