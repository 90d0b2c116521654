import { decodeToken, InvalidTokenError, type Limits, type SessionToken } from '@perigee/core'
import { Consistency, Durability, type ReadOptions, WhenBehind, type WriteOptions } from '@perigee/protocol'
import { refusal } from '../../status-error.ts'
import { waitMsOf } from './duration.ts'
import { checkBytes } from './name.ts'

/** How a read wants to be answered. */
export interface ReadChoice {
  /** `SESSION` only with a token. */
  readonly consistency: 'EVENTUAL' | 'SESSION' | 'PRIMARY'
  /** What the session has seen; to be merged into the receipt whatever the consistency. */
  readonly token?: SessionToken
  /** Absent: the sidecar's default. */
  readonly maxWaitMs?: number
  readonly whenBehind: 'FORWARD' | 'FAIL'
  /** A region whose lag is above this, or unknown, counts as behind. */
  readonly maxStalenessMs?: number
}

/** How a write wants to be done. */
export interface WriteChoice {
  /** What the session has seen: the write is refused when the primary no longer holds it. */
  readonly token?: SessionToken
  /** Makes the write safe to send again. */
  readonly requestId?: string
  readonly durability: 'PRIMARY' | 'REPLICATED'
}

/** Checks and reads the options of a read. */
export function readChoiceOf(options: ReadOptions | undefined): ReadChoice {
  const token = tokenOf(options?.sessionToken)
  const fail = options?.whenBehind === WhenBehind.FAIL
  return {
    consistency: consistencyOf(options?.consistency ?? Consistency.UNSPECIFIED, token !== undefined),
    ...(token && { token }),
    ...(options?.maxWait && { maxWaitMs: waitMsOf('options.max_wait', options.maxWait, 0) }),
    whenBehind: fail ? 'FAIL' : 'FORWARD',
    ...(options?.maxStaleness && {
      maxStalenessMs: waitMsOf('options.max_staleness', options.maxStaleness, 0),
    }),
  }
}

/** Checks and reads the options of a write. */
export function writeChoiceOf(options: WriteOptions | undefined, limits: Limits): WriteChoice {
  const token = tokenOf(options?.sessionToken)
  const requestId = options?.requestId
  if (requestId) checkBytes('options.request_id', requestId, limits.requestIdBytesMax)
  const durability = options?.durability === Durability.REPLICATED ? 'REPLICATED' : 'PRIMARY'
  return { durability, ...(token && { token }), ...(requestId && { requestId }) }
}

/** A session that has seen nothing yet is included in every state. */
function consistencyOf(consistency: Consistency, withToken: boolean): ReadChoice['consistency'] {
  if (consistency === Consistency.PRIMARY) return 'PRIMARY'
  if (consistency === Consistency.EVENTUAL || !withToken) return 'EVENTUAL'
  return 'SESSION'
}

function tokenOf(bytes: Uint8Array | undefined): SessionToken | undefined {
  if (!bytes?.length) return undefined
  try {
    return decodeToken(bytes)
  } catch (error) {
    if (!(error instanceof InvalidTokenError)) throw error
    const description = `isn't a session token: ${error.message}; send one as a receipt gave it, or none`
    throw refusal('INVALID_TOKEN', `options.session_token ${description}.`, {
      fields: [{ field: 'options.session_token', description }],
      cause: error,
    })
  }
}
