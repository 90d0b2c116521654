import type { Deadline } from '@grpc/grpc-js'
import { ANONYMOUS, type Principal } from '../security/principal.ts'
import { StatusError } from '../status-error.ts'
import type { CallContext } from './call.ts'

/** What grpc-js tells of a call: its deadline, and an event when the caller gives up or the deadline passes. */
interface Cancellable {
  getDeadline(): Deadline
  on(event: 'cancelled', listener: () => void): unknown
}

/** One call on its way through the sidecar: the context its handler sees, and the ways it may be cut short. */
export class IncomingCall implements CallContext {
  readonly deadlineMs: number
  readonly waitedMsMax: number
  /** Known once the call was let in. */
  principal: Principal = ANONYMOUS
  #abort: AbortController | undefined
  #givenUp: StatusError | undefined
  readonly #onGivenUp: ((error: StatusError) => void) | undefined
  #answered = false

  constructor(
    call: Cancellable,
    {
      deadlineMs,
      waitedMsMax = 0,
      onGivenUp,
    }: {
      /** For callers that gave none, Unix milliseconds. */
      readonly deadlineMs: number
      readonly waitedMsMax?: number
      /** Called once, with why. */
      readonly onGivenUp?: (error: StatusError) => void
    },
  ) {
    const deadline = Number(call.getDeadline())
    this.deadlineMs = Number.isFinite(deadline) ? deadline : deadlineMs
    this.waitedMsMax = waitedMsMax
    this.#onGivenUp = onGivenUp
    // grpc-js says so at the end of every call, answered or not.
    call.on('cancelled', () => {
      if (!this.#answered) this.abort(new StatusError('CANCELLED', 'The caller gave up.'))
    })
  }

  /** Made when first asked for: most calls are answered without. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#givenUp) this.#abort.abort(this.#givenUp)
    }
    return this.#abort.signal
  }

  /** The call is over; its signal stays as it is. */
  answered(): void {
    this.#answered = true
  }

  /** Gives the call up; its handler's signal aborts with the error. */
  abort(error: StatusError): void {
    if (this.#givenUp) return
    this.#givenUp = error
    this.#abort?.abort(error)
    this.#onGivenUp?.(error)
  }
}
