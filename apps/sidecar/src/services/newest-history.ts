import { coverageOf, type Forks, type Position } from '@perigee/core'
import type { GetRegionResponse } from '@perigee/protocol'
import { refusal, type StatusError } from '../status-error.ts'

/** A region that tells of its claims. */
export interface ClaimTeller {
  readonly newest: GetRegionResponse | undefined
  onAnswer(listener: () => void): void
}

/**
 * The newest claim that this sidecar has heard of, and the forks that came with it.
 *
 * A region whose own Redis returns with writes that a failover took back, before it follows the new primary, doesn't know
 * that they are lost. What the others have told it since is enough to keep them from being read again, by any session or
 * none.
 */
export class NewestHistory {
  #epoch = 0
  #forks: Forks = new Map()

  constructor(others: readonly ClaimTeller[]) {
    for (const other of others) other.onAnswer(() => this.#heard(other.newest))
  }

  /** The error for a state that holds writes which are lost; `undefined` for any other. */
  refusalOf(seen: Position): StatusError | undefined {
    if (seen.epoch >= this.#epoch) return undefined
    const newest = { epoch: this.#epoch, seq: Number.MAX_SAFE_INTEGER }
    if (coverageOf(seen, newest, this.#forks, false) !== 'lost') return undefined
    const text =
      "This region's Redis holds writes that a failover took back, and doesn't follow the new primary yet. Try again, or ask another region."
    return refusal('DATA_UNAVAILABLE', text, { retryDelayMs: 500 })
  }

  #heard(region: GetRegionResponse | undefined): void {
    const history = region?.history
    if (!history || Number(history.epoch) <= this.#epoch) return
    this.#epoch = Number(history.epoch)
    this.#forks = new Map(Object.entries(history.forks).map(([epoch, seq]) => [Number(epoch), Number(seq)]))
  }
}
