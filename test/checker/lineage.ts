/**
 * Which position carries on from which: epochs are a tree, in which each begins where it was claimed. What an epoch wrote
 * after the next one's beginning isn't part of the next one's past: it is lost.
 *
 * Written anew here, and not taken from what is under test.
 */

export interface Position {
  readonly epoch: number
  readonly seq: number
}

/** Before every write. */
export const NOTHING: Position = { epoch: 0, seq: 0 }

export function positionFrom(text: string | undefined): Position {
  const [epoch, seq, ...rest] = (text ?? '').split('-').map(Number)
  if (epoch === undefined || seq === undefined || rest.length > 0 || Number.isNaN(epoch + seq)) {
    throw new Error(`${text} is no position`)
  }
  return { epoch, seq }
}

export function positionText({ epoch, seq }: Position): string {
  return `${epoch}-${seq}`
}

/** The order in which positions are given out, whatever became of what was written there. */
export function byTime(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq
}

export class Lineage {
  readonly #origins: ReadonlyMap<number, Position>

  /** @param origins for each epoch the position that it carries on from. */
  constructor(origins: ReadonlyMap<number, Position>) {
    this.#origins = origins
  }

  /** Whether a state at `state` has `position` in its past, or is just there. */
  includes(state: Position, position: Position): boolean {
    if (position.seq === 0 && position.epoch === 0) return true
    return position.epoch === state.epoch
      ? position.seq <= state.seq
      : position.epoch < state.epoch && this.#lastOf(position.epoch, state) >= position.seq
  }

  /** The newest position that both have in their pasts. */
  common(a: Position, b: Position): Position {
    if (this.includes(a, b)) return b
    if (this.includes(b, a)) return a
    const older = a.epoch > b.epoch ? this.#originOf(a) : a
    const other = a.epoch > b.epoch ? b : this.#originOf(b)
    return this.common(older, other)
  }

  /** The last seq of an epoch that a state has in its past; -1 for none of it. */
  #lastOf(epoch: number, state: Position): number {
    let at: Position = state
    while (at.epoch > epoch) at = this.#originOf(at)
    return at.epoch === epoch ? at.seq : -1
  }

  #originOf({ epoch }: Position): Position {
    return this.#origins.get(epoch) ?? NOTHING
  }
}

export function samePosition(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.seq === b.seq
}
