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
  readonly principal: Principal
  /** Of calls that name none. */
  readonly timeoutMs: number
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
  readonly timeoutMs: number
  /** How long after its arrival something is due to be done about it, milliseconds: no later than its deadline. */
  dueAfterMs: number
  /** What it is done together with, if it is. */
  grouped: 'get' | 'set' | undefined
  /** Whether it has its reply, or needs none any more. */
  answered = false
  #abort: AbortController | undefined
  #givenUp: StatusError | undefined

  constructor(
    asked: FrameCall,
    arrival: Arrival,
    method: MultiplexedMethod | undefined,
    session: FrameSession | undefined,
  ) {
    this.asked = asked
    this.arrival = arrival
    this.method = method
    this.session = session
    this.timeoutMs = asked.timeoutMs || arrival.timeoutMs
    this.dueAfterMs = this.timeoutMs
  }

  get principal(): Principal {
    return this.arrival.principal
  }

  /** Unix milliseconds. */
  get dueMs(): number {
    return this.arrival.atMs + this.dueAfterMs
  }

  get deadlineMs(): number {
    return this.arrival.atMs + this.timeoutMs
  }

  get startedMs(): number {
    return this.arrival.startedMs
  }

  get waitedMsMax(): number {
    return this.arrival.waitedMsMax
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
