import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ForwardRequestSchema, PeerService } from '@perigee/protocol'
import { methodName } from '../grpc/call.ts'
import type { PeerClient } from '../grpc/peer-client.ts'
import type { Claim } from '../primary/claim.ts'
import { whyNot } from '../primary/claim.ts'
import { refusal, type StatusError } from '../status-error.ts'

/** Which region is the primary, as this sidecar knows it, and the way there. */
export class PrimaryRegion {
  /** This sidecar's own region. */
  readonly own: string
  readonly #named: string
  readonly #claim: Claim
  readonly #peers: PeerClient

  constructor(options: { region: string; primary: string; claim: Claim; peers: PeerClient }) {
    this.own = options.region
    this.#named = options.primary
    this.#claim = options.claim
    this.#peers = options.peers
  }

  /** The region that takes writes. */
  get name(): string {
    return this.#named
  }

  /** Whether this region holds a live claim, as far as this sidecar knows; each call checks anew. */
  get isHere(): boolean {
    return this.epoch !== undefined
  }

  /** The epoch claimed here, as far as this sidecar knows. */
  get epoch(): number | undefined {
    return this.#claim.epoch
  }

  /** Whether calls can be passed on: the primary is another region. */
  get isElsewhere(): boolean {
    return this.#named !== this.own
  }

  /** Looks again whether the claim is held. */
  lookAgain(): Promise<void> {
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
    demand: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<MessageShape<O>> {
    const envelope = create(ForwardRequestSchema, {
      method: methodName(method),
      request: toBinary(method.input, request),
      fromRegion: this.own,
    })
    const { response } = await this.#peers.call(this.name, PeerService.method.forward, envelope, demand)
    return fromBinary(method.output, response)
  }

  /** The error for a forwarded call that came to the wrong sidecar, or to the right one without a claim. */
  notHere(): StatusError {
    if (!this.isElsewhere) return this.noPrimary(whyNot(this.#claim.state))
    return refusal(
      'NOT_PRIMARY',
      `The primary is ${this.name}, not ${this.own}. Look again, and send the call there.`,
      {
        metadata: { primary: this.name },
      },
    )
  }

  /** The error for a call that no region can take. */
  noPrimary(why: string, cause?: unknown): StatusError {
    return refusal('NO_PRIMARY', `No region can take writes just now (${why}). Try again shortly.`, {
      retryDelayMs: 500,
      cause,
    })
  }
}
