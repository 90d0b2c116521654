import type { Position } from './position.ts'

/** For each epoch that ended: the last seq that the next epoch carried on from. */
export type Forks = ReadonlyMap<number, number>

/**
 * What a state says of a position.
 *
 * - `included`: the state holds it.
 * - `behind`: the state may come to hold it.
 * - `lost`: no state of this history will ever hold it.
 * - `ahead-of-primary`: impossible, nothing has been written there; the position was made up.
 */
export type Coverage = 'included' | 'behind' | 'lost' | 'ahead-of-primary'

/**
 * Whether a state at `state` includes `wanted` (DESIGN §5's table).
 *
 * @param forks those the state knows; an epoch that isn't in them and is over counts as wholly lost.
 * @param atPrimary true when the state is that of a primary with a live claim, which can't be behind.
 */
export function coverageOf(wanted: Position, state: Position, forks: Forks, atPrimary: boolean): Coverage {
  if (wanted.epoch === state.epoch) {
    if (wanted.seq <= state.seq) return 'included'
    return atPrimary ? 'ahead-of-primary' : 'behind'
  }
  if (wanted.epoch < state.epoch) {
    const kept = forks.get(wanted.epoch)
    return kept !== undefined && wanted.seq <= kept ? 'included' : 'lost'
  }
  return atPrimary ? 'lost' : 'behind'
}
