/*
 * Whether a data Redis that a majority names, or the configuration, may be claimed now: all that can keep it from being
 * claimed, in the order in which it is asked. A pure function of what is known; each rule has a spec of its own.
 *
 * 1. The claim of any other Redis must be over: one lease and a tenth has passed since this Redis was first seen named, or
 *    every other one let go. Otherwise two would take writes.
 *    Where no Sentinels name the primary, one that is heard to be claimed all the same is waited for: its Redis may have
 *    started anew, and forgotten that it made way; or a managed service has promoted this one, and not demoted that one yet.
 * 2. The first claim ever needs all regions to say that they hold nothing, or an operator's word. Otherwise a region that
 *    comes back later with data would lose it.
 * 3. None of the regions that answer may hold more. Otherwise those writes would be lost though somebody has them.
 * 4. No more regions may be silent than REPLICATED writes wait for. Otherwise one of those might be the only one left
 *    that has such a write.
 * 5. While one is silent, somebody must hold the newest write that any index or sidecar has seen.
 */
import { comparePositions, formatPosition, ORIGIN, type Position } from '@perigee/core'
import type { Ahead } from './claim-state.ts'
import type { OtherRegionNow, OtherRegionSays } from './other-regions.ts'

/** All that a claim depends on. */
export interface Situation {
  /** This region. */
  readonly region: string
  /** What this region's data Redis holds; `undefined` when it is empty. */
  readonly clock: Position | undefined
  /** It may lack what it had acknowledged to a primary: it started anew, and has neither claimed nor followed since. */
  readonly mayLack: boolean
  /** The newest position that this region's index Redis knows of. */
  readonly indexed: Position
  /** Whether no other Redis can hold a live claim any more. */
  readonly othersAreOver: boolean
  /** Another region that says that it is claimed, though its claim was to be over. */
  readonly claimedElsewhere?: string | undefined
  /** What each other region says, asked after the claims of all others were over. */
  readonly others: ReadonlyMap<string, OtherRegionNow>
  /** An operator's word. */
  readonly accepted: { readonly silence: boolean; readonly loss: boolean }
}

export type Decision =
  | { readonly do: 'claim' /** What is known to be lost. */; readonly lost: Position | undefined }
  | { readonly do: 'wait'; readonly why: string }
  | { readonly do: 'regressed'; readonly ahead: Ahead; readonly says: OtherRegionSays }

/** Decides. */
export function decide(situation: Situation): Decision {
  const { region, clock, others, accepted } = situation
  if (!clock) return first(situation)
  if (!situation.othersAreOver) return wait('the claim of the old primary may not be over yet')
  const pending = named(others, 'pending')
  if (pending.length > 0) return wait(`${pending.join(', ')} is asked what it holds`)
  if (situation.claimedElsewhere) return wait(`${situation.claimedElsewhere} is claimed`)

  const furthest = furthestOf(others)
  if (furthest && comparePositions(furthest.says.held, clock) > 0 && !accepted.loss) {
    const ahead = { region: furthest.region, position: furthest.says.held, own: clock }
    return { do: 'regressed', ahead, says: furthest.says }
  }
  const silent = named(others, 'silent')
  const answering = answersOf(others)
  const seen = newest([situation.indexed, ...answering.map(({ everHeld }) => everHeld)])
  const known = newest([clock, ...answering.map(({ held }) => held)])
  const lost = comparePositions(seen, known) > 0 ? seen : undefined
  if (silent.length > 0 && !accepted.loss) {
    const lacking = answering.filter(({ mayLack }) => mayLack).length + (situation.mayLack ? 1 : 0)
    const allowed = Math.floor((others.size + 1) / 2)
    if (silent.length + lacking > allowed) return wait(tooSilent(silent, { region, lacking, allowed }))
    if (lost) {
      return wait(
        `writes up to ${formatPosition(lost)} were seen here, and ${silent.join(', ')} may hold them but is silent: start it, or accept the loss with "perigee promote ${region} --force"`,
      )
    }
  }
  return { do: 'claim', lost }
}

/** Of an empty Redis. */
function first({ region, others, indexed, accepted }: Situation): Decision {
  const furthest = furthestOf(others)
  if (furthest && comparePositions(furthest.says.held, ORIGIN) > 0) {
    const ahead = { region: furthest.region, position: furthest.says.held, own: ORIGIN }
    return { do: 'regressed', ahead, says: furthest.says }
  }
  const pending = named(others, 'pending')
  if (pending.length > 0) return wait(`${pending.join(', ')} is asked what it holds`)
  const seen = newest([indexed, ...answersOf(others).map(({ everHeld }) => everHeld)])
  if (comparePositions(seen, ORIGIN) > 0 && !accepted.loss) {
    return wait(
      `this Redis is empty, but writes up to ${formatPosition(seen)} were seen: restore it, or accept the loss with "perigee promote ${region} --force"`,
    )
  }
  const silent = named(others, 'silent')
  if (silent.length === 0 || accepted.silence) return { do: 'claim', lost: undefined }
  return wait(
    `the first claim needs all regions to say that they hold nothing, and ${silent.join(', ')} is silent: start it, or run "perigee init"`,
  )
}

function tooSilent(
  silent: readonly string[],
  { region, lacking, allowed }: { region: string; lacking: number; allowed: number },
): string {
  const restarted =
    lacking > 0 ? `, and ${lacking} restarted and may lack writes that it had acknowledged` : ''
  return `${silent.join(', ')} is silent${restarted}: at most ${allowed} may be, or acknowledged writes could be lost; start it, or accept the loss with "perigee promote ${region} --force"`
}

function furthestOf(others: ReadonlyMap<string, OtherRegionNow>) {
  let furthest: { region: string; says: OtherRegionSays } | undefined
  for (const [region, says] of others) {
    if (typeof says !== 'object') continue
    // Of two that hold the same a master is followed at once; a replica would have to be promoted first.
    const more = furthest ? comparePositions(says.held, furthest.says.held) : 1
    if (more > 0 || (more === 0 && says.role === 'master')) furthest = { region, says }
  }
  return furthest
}

function answersOf(others: ReadonlyMap<string, OtherRegionNow>): OtherRegionSays[] {
  return [...others.values()].filter((now) => typeof now === 'object')
}

function newest(positions: readonly Position[]): Position {
  return positions.reduce((a, b) => (comparePositions(a, b) >= 0 ? a : b), ORIGIN)
}

function named(others: ReadonlyMap<string, OtherRegionNow>, what: 'silent' | 'pending'): string[] {
  return [...others].filter(([, now]) => now === what).map(([region]) => region)
}

function wait(why: string): Decision {
  return { do: 'wait', why }
}
