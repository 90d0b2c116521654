/**
 * What a session token means to a state of this region (docs/sessions.md has the table).
 *
 * Invariant: positions are compared along one history only. Which of two is the later one says nothing by itself once
 * their epochs differ; the forks decide.
 */
import {
  comparePositions,
  coverageOf,
  encodeToken,
  type Forks,
  filterToken,
  formatPosition,
  laterPosition,
  mergeTokens,
  type Position,
  positionsOf,
  type SessionToken,
  tokenToString,
} from '@perigee/core'
import { refusal, type StatusError } from '../status-error.ts'

/** A state of a Redis, or of an index: what it includes for certain, and the history that it is of. */
export interface State {
  readonly position: Position
  readonly forks: Forks
  readonly clusterId: string
}

/** What a token says of a cluster that isn't this one. @throws StatusError INVALID_TOKEN */
export function checkCluster(token: SessionToken, clusterId: string): void {
  if (token.clusterId !== clusterId) {
    throw invalidToken(
      `is of cluster ${token.clusterId}, this is ${clusterId}; send one that this cluster gave`,
    )
  }
}

/**
 * Whether a state of this region, any region's, includes all that a session has seen.
 *
 * @throws StatusError LOST_HISTORY when it never will, INVALID_TOKEN for another cluster's token.
 */
export function includesToken(state: State, token: SessionToken): boolean {
  return !check(token, state, false)
}

/**
 * Holds a token against the newest state of a primary with a live claim, which can't be behind.
 *
 * @throws StatusError LOST_HISTORY, INVALID_TOKEN when that doesn't include it.
 */
export function checkAtPrimary(state: State, token: SessionToken): void {
  check(token, state, true)
}

/** The position that a state doesn't include yet, if any. */
function check(token: SessionToken, state: State, atPrimary: boolean): Position | undefined {
  checkCluster(token, state.clusterId)
  if (!token.older && token.position.epoch === state.position.epoch) {
    if (token.position.seq <= state.position.seq) return undefined
  }
  let behind: Position | undefined
  for (const position of positionsOf(token)) {
    switch (coverageOf(position, state.position, state.forks, atPrimary)) {
      case 'lost':
        throw lostHistory(position, token, state, atPrimary)
      case 'ahead-of-primary':
        throw invalidToken(
          `names ${formatPosition(position)}, but nothing is written past ${formatPosition(state.position)}`,
        )
      case 'behind':
        behind = position
    }
  }
  return behind
}

/** Whether a state is known to lack, for ever, something that a session has seen. */
export function hasLost({ position, forks }: Omit<State, 'clusterId'>, token: SessionToken): boolean {
  return positionsOf(token).some((seen) => coverageOf(seen, position, forks, false) === 'lost')
}

/** The token of an answer under a token that its state includes: both are of one history, so the later one has it all. */
export function tokenAfter(seen: SessionToken, token: SessionToken | undefined): Uint8Array {
  if (!token) return encodeToken(seen)
  checkCluster(token, seen.clusterId)
  return encodeToken({
    clusterId: seen.clusterId,
    position: laterPosition(seen.position, token.position),
  })
}

/** The token of an answer whose state wasn't asked to include the session's: what it doesn't include stays as well. */
export function tokenBeside({ position, forks, clusterId }: State, token: SessionToken): Uint8Array {
  const seen = { clusterId, position }
  const rest = filterToken(token, (p) => coverageOf(p, position, forks, false) !== 'included')
  return encodeToken(rest ? mergeTokens(rest, seen) : seen)
}

function lostHistory(lost: Position, token: SessionToken, state: State, atPrimary: boolean): StatusError {
  const { position, forks, clusterId } = state
  const survives = formatPosition(position)
  // What the session has seen of later epochs than this state may survive too: only a primary knows that it doesn't.
  const mayCome = filterToken(
    token,
    (p) =>
      !atPrimary && coverageOf(p, position, forks, false) === 'behind' && comparePositions(p, position) > 0,
  )
  const seen = { clusterId, position }
  const surviving = mayCome ? mergeTokens(mayCome, seen) : seen
  return refusal(
    'LOST_HISTORY',
    `Writes that this session has seen, up to ${formatPosition(lost)}, were lost in a failover. ` +
      `Start a new session, or go on from ${survives}, the newest position that survives.`,
    { metadata: { position: survives, session_token: tokenToString(encodeToken(surviving)) } },
  )
}

function invalidToken(description: string): StatusError {
  const field = 'options.session_token'
  return refusal('INVALID_TOKEN', `${field} ${description}.`, { fields: [{ field, description }] })
}
