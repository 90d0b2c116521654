/**
 * What a session has seen, as the token that goes with its calls.
 *
 * Invariant: whatever answers arrive, in whatever order and however often, a state that includes the token includes
 * everything the session has seen. {@link Seen.acceptLoss} alone takes anything back, and what was lost doesn't return
 * with answers to calls sent before it.
 */
import {
  decodeToken,
  encodeToken,
  filterToken,
  mergeTokens,
  type Position,
  positionsOf,
  type SessionToken,
  tokenCovers,
  tokenFromString,
  tokenToString,
} from '@perigee/core'

/** What a session had seen when a call was sent. */
export interface Snapshot {
  readonly token?: SessionToken
  /** The token as requests carry it. */
  readonly bytes?: Uint8Array
  /** How many losses had been accepted by then. */
  readonly accepted: number
}

/** What was lost, by the session's word. */
interface Loss {
  /** The token that includes lost writes. */
  readonly lost: SessionToken
  /** What of it survives, and the newest position that does; nothing is known of it when it is absent. */
  readonly surviving: SessionToken | undefined
}

const NOTHING: Snapshot = { accepted: 0 }

export class Seen {
  #now: Snapshot
  #told: Loss | undefined
  readonly #accepted: Loss[] = []
  /** What was taken in last, and what had been seen then: the calls of one frame have one answer to this. */
  #last: { bytes: Uint8Array; sent: Snapshot; checked: boolean; now: Snapshot } | undefined

  constructor(bytes?: Uint8Array) {
    this.#now = bytes ? { token: decodeToken(bytes), bytes, accepted: 0 } : NOTHING
  }

  /** What has been seen by now: a call's token, and what its answer is taken in with. */
  get now(): Snapshot {
    return this.#now
  }

  /** The token's bytes; `undefined` when nothing has been seen. */
  get bytes(): Uint8Array | undefined {
    return this.#now.bytes
  }

  /** The token's string form; empty when nothing has been seen. */
  get text(): string {
    return this.#now.bytes ? tokenToString(this.#now.bytes) : ''
  }

  /**
   * Adds what an answer, or another session, has seen.
   *
   * @param sent what had been seen when the call was sent; answers to calls from before a loss was accepted bring back
   *   nothing of it.
   * @param checked whether the answer comes from a state that was found to include `sent`.
   * @throws InvalidTokenError for bytes that are no token, or one of another cluster.
   */
  include(bytes: Uint8Array, sent: Snapshot = this.#now, checked = false): void {
    const before = this.#now
    const last = this.#last
    if (last?.now === before && last.bytes === bytes && last.sent === sent && last.checked === checked) return
    if (before.bytes && sameBytes(before.bytes, bytes)) return
    let seen: SessionToken | undefined = decodeToken(bytes)
    for (const loss of this.#accepted.slice(sent.accepted)) seen = seen && outside(loss, seen)
    if (!seen) return
    // What the answer's state includes, the answer's own position stands for from now on.
    const proven = checked && sent.accepted === before.accepted ? sent.token : undefined
    const rest = before.token && proven ? without(before.token, proven) : before.token
    this.#move(rest ? mergeTokens(rest, seen) : seen)
    this.#last = { bytes, sent, checked, now: this.#now }
  }

  /** Notes that a call failed with LOST_HISTORY. @param surviving as the sidecar said it. */
  lost(surviving: string | undefined, sent: Snapshot): void {
    if (!sent.token || sent.accepted !== this.#now.accepted) return
    this.#told = {
      lost: this.#told ? mergeTokens(this.#told.lost, sent.token) : sent.token,
      surviving: surviving === undefined ? undefined : decodeToken(tokenFromString(surviving)),
    }
  }

  /** Goes on with what survives, once a loss was told; else does nothing. */
  acceptLoss(): void {
    const loss = this.#told
    if (!loss) return
    this.#told = undefined
    this.#accepted.push(loss)
    const { lost, surviving } = loss
    const since = this.#now.token && without(this.#now.token, lost)
    const kept = since && outside(loss, since)
    this.#move(kept && surviving ? mergeTokens(surviving, kept) : (surviving ?? kept))
  }

  #move(token: SessionToken | undefined): void {
    const accepted = this.#accepted.length
    if (token === this.#now.token && accepted === this.#now.accepted) return
    this.#now = token ? { token, bytes: encodeToken(token), accepted } : { accepted }
  }
}

/** What of a token an answer that includes `proven` doesn't stand for. */
function without(token: SessionToken, proven: SessionToken): SessionToken | undefined {
  return filterToken(token, (position) => !tokenCovers(proven, position))
}

/** What of a token is certainly not part of a loss: of epochs that survive, or later than all that it was about. */
function outside({ lost, surviving }: Loss, token: SessionToken): SessionToken | undefined {
  const epochs = new Set(surviving ? positionsOf(surviving).map(({ epoch }) => epoch) : [])
  const newest = Math.max(lost.position.epoch, surviving?.position.epoch ?? 0)
  return filterToken(token, ({ epoch }: Position) => epochs.has(epoch) || epoch > newest)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}
