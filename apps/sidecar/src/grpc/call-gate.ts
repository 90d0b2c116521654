import { refusal } from '../status-error.ts'

/** How long callers that were turned away should wait before they try again. */
const RETRY_DELAY_MS = 200

/** Counts the calls in flight and turns away those over the limit. */
export class CallGate {
  readonly #callsMax: number
  #inFlight = 0

  constructor(callsMax: number) {
    this.#callsMax = callsMax
  }

  /** Calls in flight. */
  get inFlight(): number {
    return this.#inFlight
  }

  /**
   * Lets one call in.
   *
   * @throws StatusError OVERLOADED when as many as allowed are in flight.
   */
  enter(): void {
    if (this.#inFlight >= this.#callsMax) {
      throw refusal(
        'OVERLOADED',
        `This sidecar has ${this.#callsMax} calls in flight, as many as it takes; try again shortly, or send fewer at a time.`,
        { retryDelayMs: RETRY_DELAY_MS },
      )
    }
    this.#inFlight++
  }

  /** One call that was let in has ended. */
  leave(): void {
    this.#inFlight--
  }
}
