import { Metadata, type ServiceError } from '@grpc/grpc-js'
import { InvalidTokenError, type Reason, type StatusName, statusName } from '@perigee/core'
import { decodeStatusDetails, type FieldViolation, STATUS_DETAILS_KEY } from '@perigee/protocol'

/** What a {@link PerigeeError} is made of. */
export interface PerigeeErrorInit {
  readonly code: StatusName
  readonly reason?: Reason | undefined
  readonly region?: string | undefined
  readonly fields?: readonly FieldViolation[] | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly retryDelayMs?: number | undefined
  readonly cause?: unknown
}

/**
 * The one error of this package. Its message says what went wrong and what to do.
 *
 * Tell errors apart by {@link code} and {@link reason}, never by the message.
 */
export class PerigeeError extends Error {
  override readonly name = 'PerigeeError'
  /** The gRPC status, by name: `NOT_FOUND`, `UNAVAILABLE`, `DEADLINE_EXCEEDED`, … */
  readonly code: StatusName
  /** Perigee's own reason, when a sidecar or this package gave one: `INDEX_NOT_FOUND`, `LOST_HISTORY`, … */
  readonly reason: Reason | undefined
  /** The region whose sidecar answered with the error, or failed to answer. */
  readonly region: string | undefined
  /** The request's fields that were refused, by their path in the contract: `chunks[3].vector`. */
  readonly fields: readonly FieldViolation[]
  /** More about the reason, such as both models of a `MODEL_MISMATCH`. */
  readonly metadata: Readonly<Record<string, string>>
  /** How long to wait before another try, when the sidecar said so; in milliseconds. */
  readonly retryDelayMs: number | undefined

  constructor(message: string, init: PerigeeErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.code = init.code
    this.reason = init.reason
    this.region = init.region
    this.fields = init.fields ?? []
    this.metadata = init.metadata ?? {}
    this.retryDelayMs = init.retryDelayMs
  }

  /**
   * Whether the same call may succeed a little later. After `DEADLINE_EXCEEDED` or `OUTCOME_UNKNOWN` a write may
   * have happened nevertheless.
   */
  get retryable(): boolean {
    if (this.code === 'RESOURCE_EXHAUSTED')
      return this.reason === 'OVERLOADED' || this.reason === 'OUT_OF_MEMORY'
    return this.code === 'UNAVAILABLE' || this.code === 'DEADLINE_EXCEEDED'
  }

  /** Turns whatever was thrown into a `PerigeeError`, once: one that is already one stays as it is. */
  static from(thrown: unknown, region?: string): PerigeeError {
    if (thrown instanceof PerigeeError) return thrown
    if (isServiceError(thrown)) return fromServiceError(thrown, region)
    if (thrown instanceof InvalidTokenError) {
      return invalidArgument(thrown.message, 'session_token', { reason: 'INVALID_TOKEN', cause: thrown })
    }
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    return new PerigeeError(message, { code: 'UNKNOWN', region, cause: thrown })
  }
}

/** An argument this package refuses before it asks anyone. */
export function invalidArgument(
  message: string,
  field: string,
  more: { readonly reason?: Reason; readonly cause?: unknown } = {},
): PerigeeError {
  const { reason = 'INVALID_FIELD', cause } = more
  return new PerigeeError(message, {
    code: 'INVALID_ARGUMENT',
    reason,
    fields: [{ field, description: message }],
    cause,
  })
}

/** The error of a call whose `AbortSignal` fired; its cause is the signal's reason. */
export function aborted(signal: AbortSignal): PerigeeError {
  return new PerigeeError('the call was given up by its AbortSignal', {
    code: 'CANCELLED',
    cause: signal.reason,
  })
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return (
    thrown instanceof Error && 'code' in thrown && 'metadata' in thrown && thrown.metadata instanceof Metadata
  )
}

function fromServiceError(error: ServiceError, region: string | undefined): PerigeeError {
  const bytes = error.metadata.get(STATUS_DETAILS_KEY)[0]
  const details = bytes instanceof Buffer ? decodeStatusDetails(bytes) : {}
  return new PerigeeError(error.details || error.message, {
    ...details,
    code: statusName(error.code),
    region,
    cause: error,
  })
}
