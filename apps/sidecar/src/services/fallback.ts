import { formatPosition, type Position, positionsOf, type Reason, type SessionToken } from '@perigee/core'
import { FallbackReason } from '@perigee/protocol'
import { refusal, StatusError } from '../status-error.ts'

/** Why a region has no answer, and the primary's is asked; or what the read fails with when that isn't to be. */
export interface Fallback {
  readonly reason: FallbackReason
  readonly error: StatusError
}

const FALLBACK_OF_REASON: Partial<Record<Reason, FallbackReason>> = {
  BEHIND_SESSION: FallbackReason.BEHIND,
  DATA_UNAVAILABLE: FallbackReason.DATA_UNAVAILABLE,
  INDEX_BUILDING: FallbackReason.INDEX_BUILDING,
}

/** What an error leads to, when another region may do better; `undefined` when none will. */
export function fallbackFrom(error: unknown): Fallback | undefined {
  if (!(error instanceof StatusError) || !error.details.reason) return undefined
  const reason = FALLBACK_OF_REASON[error.details.reason]
  return reason === undefined ? undefined : { reason, error }
}

/** For a state that doesn't include yet what it is to include. */
export function behind(missing: SessionToken | Position, applied: Position): Fallback {
  const wanted = 'epoch' in missing ? [missing] : positionsOf(missing)
  const error = refusal(
    'BEHIND_SESSION',
    `This region has applied ${formatPosition(applied)}, and is to include ${wanted.map(formatPosition).join(' and ')}. ` +
      'Wait longer (max_wait), or let the read be forwarded (when_behind).',
    { retryDelayMs: 50 },
  )
  return { reason: FallbackReason.BEHIND, error }
}

/** For a region whose lag is above the bound, or isn't known. */
export function tooStale(lagMs: number | undefined, maxStalenessMs: number): Fallback {
  const lag = lagMs === undefined ? "isn't known" : `is ${Math.ceil(lagMs)} ms`
  const error = refusal(
    'BEHIND_SESSION',
    `This region's lag ${lag}, and max_staleness is ${Math.floor(maxStalenessMs)} ms. ` +
      'Allow more, or let the read be forwarded (when_behind).',
    { retryDelayMs: 100 },
  )
  return { reason: FallbackReason.BEHIND, error }
}

/** The error of a read that the primary didn't answer either. */
export function alsoUnanswered(error: StatusError, cause: Error): StatusError {
  const message = `${error.message} The primary was asked instead: ${cause.message}`
  return new StatusError(error.status, message, error.details, { cause })
}
