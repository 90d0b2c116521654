import {
  type Coverage,
  encodeToken,
  formatPosition,
  mergeTokens,
  type Position,
  type SessionToken,
  tokenToString,
} from '@perigee/core'
import { refusal, type StatusError } from '../status-error.ts'

/** What a token says of a cluster that isn't this one. @throws StatusError INVALID_TOKEN */
export function checkCluster(token: SessionToken, clusterId: string): void {
  if (token.clusterId !== clusterId) {
    throw invalidToken(
      `is of cluster ${token.clusterId}, this is ${clusterId}; send one that this cluster gave`,
    )
  }
}

/** The bytes of a receipt's token: what the answer has seen, merged with what the session had. */
export function receiptToken(seen: SessionToken, token: SessionToken | undefined): Uint8Array {
  return encodeToken(token ? mergeTokens(token, seen) : seen)
}

/** The error for a token that a state will never include; `undefined` while it may, or does. */
export function neverIncluded(
  coverage: Coverage,
  token: SessionToken,
  state: { position: Position; clusterId: string },
): StatusError | undefined {
  if (coverage === 'ahead-of-primary') {
    const newest = formatPosition(state.position)
    return invalidToken(`names ${formatPosition(token.position)}, but nothing is written past ${newest}`)
  }
  if (coverage !== 'lost') return undefined
  const survives = formatPosition(state.position)
  return refusal(
    'LOST_HISTORY',
    `Writes that this session has seen, up to ${formatPosition(token.position)}, were lost in a failover. ` +
      `Start a new session, or go on from ${survives}, the newest position that survives.`,
    { metadata: { position: survives, session_token: tokenToString(encodeToken(state)) } },
  )
}

function invalidToken(description: string): StatusError {
  const field = 'options.session_token'
  return refusal('INVALID_TOKEN', `${field} ${description}.`, { fields: [{ field, description }] })
}
