import { invalidField, refusal, StatusError } from '../status-error.ts'
import { RedisFailure } from './connection.ts'

/** Words by which Redis says that it can't answer now, whatever the command. */
const UNAVAILABLE_WORDS = new Set([
  'LOADING',
  'MASTERDOWN',
  'BUSY',
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
  'CLUSTERDOWN',
  'TRYAGAIN',
  // Of claim-checked reads: Redis takes their functions for writing ones.
  'MISCONF',
  'NOREPLICAS',
])

/** What a caller is told when a read of the data Redis failed. */
export function readError(error: unknown): Error {
  if (!(error instanceof RedisFailure)) return asError(error)
  if (error.word === 'FENCED' || error.word === 'READONLY') return noPrimary(error)
  const missing = /Function not found/i.test(error.message)
  if (error.kind !== 'refused' || missing || UNAVAILABLE_WORDS.has(error.word)) {
    return dataUnavailable(missing ? 'it has no function library yet' : error.message, error)
  }
  return error
}

/** A write came by an alias that points elsewhere by now; nothing was done: it is to be looked up again. */
export class AliasMoved extends Error {
  override readonly name = 'AliasMoved'
}

/** What a caller is told when a write to the data Redis failed. */
export function writeError(error: unknown): Error {
  if (!(error instanceof RedisFailure)) return asError(error)
  if (error.kind === 'down') return dataUnavailable(error.message, error)
  if (error.kind === 'lost') return outcomeUnknown(error.message, error)
  switch (error.word) {
    case 'FENCED':
    case 'READONLY':
    case 'HELD':
      return noPrimary(error)
    case 'EXPIRED':
      return new StatusError(
        'DEADLINE_EXCEEDED',
        'The write came after its deadline and was not done.',
        {},
        { cause: error },
      )
    case 'PRECONDITION':
      return refusal(
        'PRECONDITION_FAILED',
        `Nothing was written: ${rest(error)}. Read the key again and decide anew.`,
      )
    case 'REUSED':
      return invalidField(
        'options.request_id',
        'was used for another write less than 60 s ago; take a new one for each write, and the same one only to send the same write again',
      )
    case 'INDEX_EXISTS':
      return refusal(
        'INDEX_EXISTS',
        'There is an index or an alias of this name. Use it, remove it, or choose another name.',
      )
    case 'INDEX_NOT_FOUND':
      return refusal(
        'INDEX_NOT_FOUND',
        'There is no such index, or it was dropped meanwhile. Create it first.',
      )
    case 'INDEX_IN_USE':
      return refusal(
        'INDEX_IN_USE',
        `Nothing was dropped: the index is in use by alias ${rest(error)}. Point that elsewhere, or delete it, first.`,
        { metadata: { aliases: rest(error) } },
      )
    case 'ALIAS_NOT_FOUND':
      return refusal('ALIAS_NOT_FOUND', 'There is no such alias. ListIndexes names those there are.')
    case 'ALIAS_MOVED':
      return new AliasMoved()
    case 'OOM':
      return refusal(
        'OUT_OF_MEMORY',
        "The primary's data Redis has reached its maxmemory. Delete data, let entries expire, or give it more memory.",
        { cause: error },
      )
    default:
      if (UNAVAILABLE_WORDS.has(error.word)) return dataUnavailable(error.message, error)
      if (/Function not found/i.test(error.message)) return noPrimary(error)
      return error
  }
}

/** The error for a data Redis that can't answer. */
export function dataUnavailable(why: string, cause?: unknown): StatusError {
  return refusal(
    'DATA_UNAVAILABLE',
    `This region's data Redis can't answer (${why}). Try again, or ask another region.`,
    {
      retryDelayMs: 200,
      cause,
    },
  )
}

/** The error for a write of which nobody knows whether it was done. */
export function outcomeUnknown(why: string, cause?: unknown): StatusError {
  return refusal(
    'OUTCOME_UNKNOWN',
    `The write may or may not have been done (${why}). Read it back, or write with a request_id, which makes it safe to send again.`,
    { cause },
  )
}

function noPrimary(error: RedisFailure): StatusError {
  return refusal('NO_PRIMARY', `No Redis may take writes just now (${rest(error)}). Try again shortly.`, {
    retryDelayMs: 500,
    cause: error,
  })
}

function rest(error: RedisFailure): string {
  return error.message.replace(/^[A-Z_]+ /, '')
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
