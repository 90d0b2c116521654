import { comparePositions, formatPosition, ORIGIN, type Position } from '@perigee/core'
import type { OtherPromotion } from '../../primary/way-maker.ts'
import { refusal, StatusError } from '../../status-error.ts'

/** What one region has to do with a loss. */
export interface Stake {
  readonly region: string
  /** It answers. */
  readonly here: boolean
  /** What it holds now; of a silent one, the newest that it was heard to hold. */
  readonly position: Position
}

/** The error for a promotion that begins while another one goes on. */
export function otherPromotion({ message }: OtherPromotion): StatusError {
  return new StatusError(
    'ABORTED',
    `${message} just now; nothing was changed. Wait until that is done, look at the status, and decide anew.`,
  )
}

/** The error for a promotion that would lose writes and wasn't told to. */
export function wouldLose(promoted: Stake, others: readonly Stake[], why: string): StatusError {
  const known = [promoted, ...others]
    .map(({ region, here, position }) =>
      here ? `${region} holds ${upTo(position)}` : `${region} is silent, and was seen with ${upTo(position)}`,
    )
    .join('; ')
  const text = `Promoting ${promoted.region} could lose acknowledged writes, so nothing was changed: ${why}. ${known}. ${howMuch(promoted, others)} ${whatToDo(promoted, others)}`
  return refusal('WOULD_LOSE_WRITES', text, {
    metadata: Object.fromEntries(
      [promoted, ...others].map(({ region, position }) => [`position.${region}`, textOf(position)]),
    ),
  })
}

function howMuch(promoted: Stake, others: readonly Stake[]): string {
  const furthest = furthestOf(others)
  if (!furthest || comparePositions(furthest.position, promoted.position) <= 0) {
    return 'As far as is known it has all of them, but a silent region may have taken more.'
  }
  const unknown = others.some(({ here }) => !here) ? ', as far as is known' : ''
  const writes = furthest.position.seq - promoted.position.seq
  const count = writes > 0 ? ` (${writes} writes${unknown})` : unknown
  return `What came after ${textOf(promoted.position)} would be lost${count}.`
}

function whatToDo(promoted: Stake, others: readonly Stake[]): string {
  const silent = others.filter(({ here }) => !here).map(({ region }) => region)
  const better = furthestOf(others.filter(({ here }) => here))
  const ways = [
    ...(silent.length > 0 ? [`bring ${silent.join(' and ')} back`] : []),
    ...(better && comparePositions(better.position, promoted.position) > 0
      ? [`promote the region that holds more ("perigee promote ${better.region}")`]
      : []),
    `accept the loss ("perigee promote ${promoted.region} --force")`,
  ]
  const text = ways.length > 1 ? `${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}` : (ways[0] ?? '')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function furthestOf(stakes: readonly Stake[]): Stake | undefined {
  return stakes.reduce<Stake | undefined>(
    (best, stake) => (!best || comparePositions(stake.position, best.position) > 0 ? stake : best),
    undefined,
  )
}

function upTo(position: Position): string {
  return position.epoch === ORIGIN.epoch ? 'nothing' : `writes up to ${formatPosition(position)}`
}

function textOf(position: Position): string {
  return position.epoch === ORIGIN.epoch ? '' : formatPosition(position)
}

/** The error for a region whose Redis is empty while others hold writes; force is no way out. */
export function holdsNothing(promoted: Stake, others: readonly Stake[]): StatusError {
  const holding = others.filter(({ here, position }) => here && position.epoch !== ORIGIN.epoch)
  const best = furthestOf(holding)
  const error = `${promoted.region} holds nothing: as the primary it would leave nothing of the cluster. Nothing was changed. Promote a region that holds writes ("perigee promote ${best?.region}", which has them up to ${formatPosition(best?.position ?? ORIGIN)}); ${promoted.region} follows it then, and can be promoted after that.`
  return refusal('WOULD_LOSE_WRITES', error)
}

/** The error of a sidecar that never claims, beside a newer one of its region. */
export function outdated(region: string): StatusError {
  return new StatusError(
    'FAILED_PRECONDITION',
    `A newer sidecar of ${region} has loaded newer functions, so this one can't promote it. Nothing was changed. Ask the newer one, by its address, or update this one.`,
  )
}

/** The error for a promotion that got as far as the claim, and no further. */
export function notClaimed(region: string, why: string): StatusError {
  return refusal(
    'NO_PRIMARY',
    `${region} made ready to be the primary and could not claim: ${why}. Run the command again.`,
    { retryDelayMs: 1000 },
  )
}

/** The caller went away before anything was handed over. */
export function brokenOff(primary: string): StatusError {
  return new StatusError('CANCELLED', `Broken off and undone: ${primary} is the primary.`)
}
