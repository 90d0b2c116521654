import { overloaded } from './traffic/peer-traffic.ts'

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
      throw overloaded(
        `This sidecar has ${this.#callsMax} calls in flight, as many as it takes; try again shortly, or send fewer at a time.`,
      )
    }
    this.#inFlight++
  }

  /** One call that was let in has ended. */
  leave(): void {
    this.#inFlight--
  }
}
