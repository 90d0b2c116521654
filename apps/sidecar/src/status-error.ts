import { type Reason, STATUS, STATUS_OF_REASON, type StatusName } from '@perigee/core'
import type { StatusDetails } from '@perigee/protocol'

/** An error that a caller may see as it is: a gRPC status, a message that says what to do, and details. */
export class StatusError extends Error {
  override name = 'StatusError'
  readonly status: StatusName
  readonly details: StatusDetails

  constructor(status: StatusName, message: string, details: StatusDetails = {}, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.details = details
  }

  /** gRPC's number for the status. */
  get code(): number {
    return STATUS[this.status]
  }
}

/** The error for a reason, with the status that belongs to it. */
export function refusal(
  reason: Reason,
  message: string,
  details: Omit<StatusDetails, 'reason'> & { cause?: unknown } = {},
): StatusError {
  const { cause, ...rest } = details
  return new StatusError(STATUS_OF_REASON[reason], message, { reason, ...rest }, { cause })
}

/** The error for one field that is out of range or of the wrong form. */
export function invalidField(field: string, description: string): StatusError {
  return refusal('INVALID_FIELD', `${field} ${description}`, { fields: [{ field, description }] })
}

/** The error for one field over a size or count. */
export function tooLarge(field: string, description: string): StatusError {
  return refusal('TOO_LARGE', `${field} ${description}`, { fields: [{ field, description }] })
}
