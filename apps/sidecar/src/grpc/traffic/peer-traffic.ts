import { refusal, type StatusError } from '../../status-error.ts'
import type { TrafficLimits } from './traffic-limits.ts'

/** How long callers that were turned away should wait before they try again. */
const RETRY_DELAY_MS = 200

/** Beyond that and whatever all have, what sidecars' small messages have for themselves, of each address. */
const ESSENTIAL_BYTES = 8 * 1024 * 1024

/** Of what may be kept for one address, what is left to the answers of calls that were begun. */
const ANSWERS_SHARE = 1 / 8

type ByteLimits = Pick<TrafficLimits, 'bytesInFlightMax' | 'bytesPerPeerMax'>

/** What the callers at one address have of this sidecar at this moment, and whether there is room for more. */
export class PeerTraffic {
  /** Open connections. */
  connections = 0
  /** Calls in flight. */
  calls = 0
  readonly #all: AllTraffic
  #bytes = 0

  constructor(all: AllTraffic) {
    this.#all = all
  }

  /** Bytes of requests not answered yet and of answers not taken yet. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether so many bytes more may be kept for it. */
  hasRoom(bytes: number): boolean {
    const { limits } = this.#all
    return this.#bytes + bytes <= limits.bytesPerPeerMax && this.#all.bytes + bytes <= limits.bytesInFlightMax
  }

  /** Whether so many bytes more may be kept for it of what sidecars ask each other, however little room there is. */
  hasEssentialRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#all.limits.bytesPerPeerMax + ESSENTIAL_BYTES
  }

  /** @throws StatusError OVERLOADED when a request of so many bytes had better not be begun: its answer takes room too. */
  checkRoomForCall(bytes: number): void {
    this.checkRoom(bytes + Math.floor(this.#all.limits.bytesPerPeerMax * ANSWERS_SHARE))
  }

  /**
   * Likewise of what sidecars ask each other. What there is no room at all for ends its stream, and all calls on it: half of
   * the room is left to what comes until they hear of this.
   *
   * @throws StatusError OVERLOADED
   */
  checkEssentialRoomForCall(bytes: number): void {
    if (!this.hasEssentialRoom(bytes + ESSENTIAL_BYTES / 2)) throw noRoom(this.#all.limits)
  }

  /** @throws StatusError OVERLOADED when so many bytes more may not be kept for it. */
  checkRoom(bytes: number): void {
    if (!this.hasRoom(bytes)) throw noRoom(this.#all.limits)
  }

  /** So many bytes are kept for it, from now on. */
  hold(bytes: number): void {
    this.#bytes += bytes
    this.#all.bytes += bytes
  }

  /** So many bytes aren't kept any more. */
  release(bytes: number): void {
    this.#bytes -= bytes
    this.#all.bytes -= bytes
  }
}

/** What all callers have. */
export class AllTraffic {
  readonly limits: ByteLimits
  /** Bytes in flight, of all. */
  bytes = 0
  readonly #peers = new Map<string, PeerTraffic>()

  constructor(limits: ByteLimits) {
    this.limits = limits
  }

  /** Of the callers at an address, as Node names it. */
  of(address: string): PeerTraffic {
    const place = placeOf(address)
    let peer = this.#peers.get(place)
    if (!peer) {
      peer = new PeerTraffic(this)
      this.#peers.set(place, peer)
    }
    return peer
  }

  /** Forgets who has nothing here any more. */
  sweep(): void {
    for (const [place, { connections, calls, bytes }] of this.#peers) {
      if (connections === 0 && calls === 0 && bytes === 0) this.#peers.delete(place)
    }
  }
}

/** An address as limits count it: of IPv6 the /64, since whoever has one has them all. */
function placeOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  if (mapped) return mapped[1] as string
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  const last = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : 8 - groups.length - last.length
  return [...groups, ...Array.from({ length: zeros }, () => '0'), ...last].slice(0, 4).join(':')
}

/** The error for what there is no room for. */
export function noRoom({ bytesInFlightMax, bytesPerPeerMax }: ByteLimits): StatusError {
  return overloaded(
    `This sidecar keeps as many bytes of requests and answers as it takes (${bytesPerPeerMax} for one address, ${bytesInFlightMax} in all); take answers faster, send fewer or smaller calls at a time, or try again shortly.`,
  )
}

/** The error for what may be tried again a little later. */
export function overloaded(message: string, retryDelayMs = RETRY_DELAY_MS): StatusError {
  return refusal('OVERLOADED', message, { retryDelayMs })
}
