import { setTimeout as delay } from 'node:timers/promises'
import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ForwardRequestSchema } from '@perigee/protocol'
import { within } from '../deadline.ts'
import { methodName } from '../grpc/call.ts'
import type { PeerClient } from '../grpc/peer-client.ts'
import type { Claim } from '../primary/claim.ts'
import { whyNot } from '../primary/claim-state.ts'
import type { PrimaryClock } from '../primary-clock.ts'
import type { Principal } from '../security/principal.ts'
import type { OtherRegion } from '../status/other-region.ts'
import { refusal, StatusError } from '../status-error.ts'
import { timestampOf } from '../wire-time.ts'

/** How long a call that waits for the primary waits at the most until it looks again. */
const LOOK_AGAIN_MS = 25
/** About as long as the last try takes. */
const LAST_LOOK_MS = 50

/**
 * Which region is the primary, as this sidecar knows it, and the way there. The one place that says so: its own while it
 * holds a live claim; else the other region whose sidecar tells of the claim with the highest epoch; else the one that
 * was the primary last; else the one that the configuration names, if it does.
 */
export class PrimaryRegion {
  /** This sidecar's own region. */
  readonly own: string
  readonly #claim: Claim
  /** What is asked for a claim: the other regions, and this one's other sidecars. */
  readonly #asked: readonly OtherRegion[]
  readonly #sibling: OtherRegion | undefined
  readonly #peers: PeerClient
  readonly #clock: PrimaryClock
  readonly #listeners = new Set<(name: string) => void>()
  #last: string

  constructor(options: {
    region: string
    /** The region taken for the primary until one is known. */
    configured: string | undefined
    claim: Claim
    others: readonly OtherRegion[]
    /** The other sidecars of this region, if it has any. */
    sibling: OtherRegion | undefined
    peers: PeerClient
    clock: PrimaryClock
  }) {
    this.own = options.region
    this.#last = options.configured ?? ''
    this.#claim = options.claim
    this.#sibling = options.sibling
    this.#asked = options.sibling ? [...options.others, options.sibling] : options.others
    this.#peers = options.peers
    this.#clock = options.clock
    this.#claim.onChange(() => this.name)
    for (const other of this.#asked) other.onAnswer(() => this.name)
  }

  /** The region that takes writes; empty while none is known. */
  get name(): string {
    const name = this.isHere ? this.own : (this.#claimedElsewhere() ?? this.#last)
    if (name !== this.#last) {
      this.#last = name
      for (const listener of this.#listeners) listener(name)
    }
    return name
  }

  /** Calls back whenever another region is the primary. */
  onChange(listener: (name: string) => void): void {
    this.#listeners.add(listener)
  }

  /** Whether this region holds a live claim, as far as this sidecar knows; each call checks anew. */
  get isHere(): boolean {
    return this.epoch !== undefined
  }

  /** Whether this region's claim is kept and takes no writes, since they are to go to another region in a moment. */
  get holdsWrites(): boolean {
    const { handingTo } = this.#claim
    return this.isHere && handingTo !== undefined && handingTo !== this.own
  }

  /** The epoch claimed here, as far as this sidecar knows. */
  get epoch(): number | undefined {
    return this.#claim.epoch
  }

  /**
   * Whether calls can be passed on: the primary is another region, or another sidecar of this region has the claim and
   * this one doesn't share it, such as one beside a newer one.
   */
  get isElsewhere(): boolean {
    const { name } = this
    if (name === this.own) return !this.isHere && this.#sibling?.claimed === true
    return name !== ''
  }

  /**
   * After a call failed and nothing was done: where the right to write is just being handed over, waits a little for that.
   *
   * @param untilMs when the call has to be answered, Unix milliseconds.
   * @returns whether the call may be tried once more; if not, it has failed.
   */
  async mayAskAgain(error: StatusError, untilMs: number, signal: AbortSignal): Promise<boolean> {
    const hasTime = () => Date.now() + LAST_LOOK_MS < untilMs && !signal.aborted
    if (!hasTime()) return false
    // It may have begun since the last look.
    if (error.details.reason === 'NO_PRIMARY') {
      const looked = within(this.lookAgain(), untilMs - Date.now(), () => error)
      await looked.catch(() => {})
    }
    if (this.#claim.handingTo === undefined || !hasTime()) return false
    let stop = () => {}
    const changed = new Promise<void>((resolve) => {
      const heard = () => resolve()
      this.#listeners.add(heard)
      stop = () => this.#listeners.delete(heard)
    })
    await Promise.race([changed, delay(LOOK_AGAIN_MS)])
    stop()
    return true
  }

  /** Looks again whether the claim is held, and asks the other regions about theirs. */
  lookAgain(): Promise<void> {
    for (const other of this.#asked) other.askAgain()
    return this.#claim.refresh()
  }

  /**
   * Passes a call on to the primary's sidecar, one hop.
   *
   * @throws StatusError as that one answered, PeerUnreachable when it didn't.
   */
  async forward<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    demand: { deadlineMs: number; signal?: AbortSignal; principal: Principal },
  ): Promise<MessageShape<O>> {
    const uncertaintyMs = this.#clock.uncertaintyMs()
    const aheadMs = this.#clock.nowMs() - Date.now()
    const known = Number.isFinite(uncertaintyMs)
    const envelope = create(ForwardRequestSchema, {
      method: methodName(method),
      request: toBinary(method.input, request),
      fromRegion: this.own,
      principal: demand.principal.name,
      ...(known && { deadline: timestampOf(demand.deadlineMs + aheadMs + uncertaintyMs) }),
    })
    const { name } = this
    try {
      const { response } = await this.#peers.forward(name, envelope, demand)
      return fromBinary(method.output, response)
    } catch (error) {
      if (error instanceof StatusError && error.details.reason === 'NOT_PRIMARY') this.#peers.tryAnother(name)
      throw error
    }
  }

  /** The error for a forwarded call that came to the wrong sidecar, or to the right one without a claim. */
  notHere(): StatusError {
    const outdated = this.#claim.state.kind === 'outdated'
    if (!this.isElsewhere && !outdated) return this.noPrimary(whyNot(this.#claim.state))
    return refusal(
      'NOT_PRIMARY',
      outdated
        ? `Newer sidecars are at work, and this one of ${this.own} is outdated: update it, or ask another.`
        : `The primary is ${this.name}, not this sidecar of ${this.own}. Look again, and send the call there.`,
      { metadata: { primary: this.name } },
    )
  }

  /** The error for a call that no region can take. */
  noPrimary(why: string, cause?: unknown): StatusError {
    return refusal('NO_PRIMARY', `No region can take writes just now (${why}). Try again shortly.`, {
      retryDelayMs: 500,
      cause,
    })
  }

  #claimedElsewhere(): string | undefined {
    let best: OtherRegion | undefined
    for (const other of this.#asked) {
      if (other.claimed && (!best || other.claimedEpoch > best.claimedEpoch)) best = other
    }
    return best?.region
  }
}
