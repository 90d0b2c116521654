import { overloaded } from './traffic/peer-traffic.ts'

/** Whose calls are counted. */
interface Caller {
  /** Calls in flight. */
  calls: number
}

/** Counts the calls in flight and turns away those over the limits. */
export class CallGate {
  readonly #callsMax: number
  readonly #perPeerMax: number
  #inFlight = 0

  /** @param perPeerMax of one address, so that it leaves some to others. */
  constructor(callsMax: number, perPeerMax: number) {
    this.#callsMax = callsMax
    this.#perPeerMax = perPeerMax
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
  enter(peer: Caller): void {
    if (this.#inFlight >= this.#callsMax) throw tooMany(this.#callsMax, 'in flight')
    if (peer.calls >= this.#perPeerMax) throw tooMany(this.#perPeerMax, 'of this address in flight')
    this.#inFlight++
    peer.calls++
  }

  /** One call that was let in has ended. */
  leave(peer: Caller): void {
    this.#inFlight--
    peer.calls--
  }
}

function tooMany(max: number, which: string) {
  return overloaded(
    `This sidecar has ${max} calls ${which}, as many as it takes; try again shortly, or send fewer at a time.`,
  )
}
