import { formatPosition, type Position } from '@perigee/core'
import { adviceOf, type ClaimState } from '../../primary/claim-state.ts'
import { RedisFailure } from '../../redis/connection.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import { refusal, StatusError } from '../../status-error.ts'

/** There is no primary whose writes could be handed over. */
export function mayNotClaim(region: string, state: ClaimState, others: readonly OtherRegion[]): StatusError {
  const silent = others.filter(({ reachable }) => !reachable).map((other) => other.region)
  const who = silent.length > 0 ? ` ${silent.join(' and ')} ${silent.length > 1 ? 'are' : 'is'} silent.` : ''
  const why = adviceOf(state)
  if (why === '') {
    return refusal(
      'NO_PRIMARY',
      `No region takes writes just now, so there is nothing to hand over.${who} Nothing was changed. The Sentinels choose another primary within seconds if they can: look at the status, and run the command again.`,
      { retryDelayMs: 2000 },
    )
  }
  return refusal(
    'WOULD_LOSE_WRITES',
    `No region takes writes just now, and ${region} may not: ${why}.${who} Nothing was changed. Accept the loss of what ${region} lacks with "perigee promote ${region} --force".`,
  )
}

/** The region's Redis doesn't follow the primary. */
export function notConnected(region: string, primary: string): StatusError {
  return refusal(
    'WOULD_LOSE_WRITES',
    `${region}'s data Redis isn't connected to ${primary}'s, so it can't get what that took last. Nothing was changed. Mend the link, or accept the loss with "perigee promote ${region} --force".`,
  )
}

/** No Sentinel would promote the region's Redis, whatever its priority. */
export function cutOff(region: string, primary: string): StatusError {
  return new StatusError(
    'FAILED_PRECONDITION',
    `The Sentinels don't promote ${region}'s data Redis: it is down for them, or has been disconnected from ${primary}'s for longer than ten times their down-after-milliseconds; asked all the same, they would promote another one. Nothing was changed. Mend the link between the two, or promote another region, which ${region} can follow and take over from after that; if ${primary} is to be given up as well, stop its data Redis first, and run the command again once no region takes writes.`,
  )
}

/** What the primary took last doesn't arrive. */
export function notLevel(
  region: string,
  primary: string,
  { own, goal }: { own: Position; goal: Position },
): StatusError {
  const writes = goal.epoch === own.epoch ? ` (${goal.seq - own.seq} writes)` : ''
  return refusal(
    'WOULD_LOSE_WRITES',
    `${region} holds writes up to ${formatPosition(own)}, and doesn't get what ${primary} holds more, up to ${formatPosition(goal)}${writes}. ${primary} takes its writes again; nothing was changed. Wait until ${region} is level, or accept the loss with "perigee promote ${region} --force".`,
    {
      metadata: {
        [`position.${region}`]: formatPosition(own),
        [`position.${primary}`]: formatPosition(goal),
      },
    },
  )
}

/** No Sentinel would promote the region. */
export function notPreferred(
  region: string,
  { rival, answering }: { rival: string | undefined; answering: number },
): StatusError {
  if (rival) {
    return new StatusError(
      'FAILED_PRECONDITION',
      `The Sentinels would rather promote ${rival}, or might: its replica-priority is 1, as low as can be. Nothing was changed. Give it a higher one (CONFIG SET replica-priority 100 at its data Redis), and run the command again.`,
    )
  }
  const why =
    answering === 0
      ? 'no Sentinel answers'
      : `they don't know ${region}'s data Redis as a replica that is connected and comes before the others`
  return refusal(
    'NO_PRIMARY',
    `The Sentinels can't be asked to promote ${region}: ${why}. Nothing was changed. Look at SENTINEL REPLICAS, and run the command again.`,
  )
}

/** The Sentinels didn't carry it out. */
export function notNamed(region: string, why: string): StatusError {
  return refusal(
    'NO_PRIMARY',
    `The Sentinels don't make ${region} the primary: ${why}. It was undone as far as it had come. Run the command again.`,
    { retryDelayMs: 2000 },
  )
}

/** They promoted another one. */
export function insteadOf(region: string, other: string): StatusError {
  return new StatusError(
    'ABORTED',
    `The Sentinels promoted ${other} instead of ${region}: which replica they take is their choice. Look at the status; if ${other} takes no writes, promote that one by force.`,
  )
}

export function noMajority({ answer, of }: { answer: number; of: number }): StatusError {
  return refusal(
    'NO_PRIMARY',
    `No majority of the Sentinels names a primary (${answer} of ${of} answer), and without one nobody is promoted. Nothing was changed. Bring more of them back.`,
  )
}

/** The caller went away while it was waited whether a loss has to be accepted at all. */
export function notAccepted(region: string, why: string): StatusError {
  return new StatusError(
    'CANCELLED',
    `Broken off before any loss was accepted: ${region} has no claim yet (${why}), and makes one by itself once it may. To accept the loss run the command again.`,
  )
}

/** The sidecar may not change the priority. */
export function priorityRefused(region: string, error: Error): Error {
  if (!(error instanceof RedisFailure)) return error
  if (error.word !== 'NOPERM') {
    return refusal(
      'DATA_UNAVAILABLE',
      `The priority of ${region}'s data Redis can't be raised: that Redis, or the index Redis, which keeps what it was, can't be asked (${error.message}). Nothing was changed. Start what is down, and run the command again.`,
      { retryDelayMs: 1000, cause: error },
    )
  }
  return new StatusError(
    'FAILED_PRECONDITION',
    `${region}'s sidecar may not change its data Redis's replica-priority. Nothing was changed. Give its user +config|set and +config|rewrite (docs/operations.md, "Users of the data Redis and of Sentinel").`,
  )
}
