import { Metadata, type ServiceError } from '@grpc/grpc-js'
import { STATUS, statusName } from '@perigee/core'
import { STATUS_DETAILS_KEY } from '@perigee/protocol'
import type { Endpoint } from './endpoint.ts'
import { PerigeeError } from './perigee-error.ts'
import type { RefusedStream } from './refused-stream.ts'

/** What an attempt fails with when no sidecar's own answer says so. A call that was sent has gRPC's error as its cause. */

/** The deadline passed while there was no connection. */
export function deadlineExceeded(): PerigeeError {
  return new PerigeeError('the deadline passed before a connection was there', { code: 'DEADLINE_EXCEEDED' })
}

/** Its address left the address book. */
export function noLongerNamed({ address, region }: Endpoint): PerigeeError {
  return new PerigeeError(`the address ${address} is no longer in use`, { code: 'UNAVAILABLE', region })
}

/** Given up because nothing at all comes from there, and others can be asked. */
export function wentSilent({ address, region }: Endpoint, cause: unknown): PerigeeError {
  return new PerigeeError(`the sidecar at ${address} went silent`, { code: 'UNAVAILABLE', region, cause })
}

/** Its connection, or the stream it was on, ended while it was under way. */
export function brokeOff({ address, region }: Endpoint, cause: unknown): PerigeeError {
  return new PerigeeError(`the connection to the sidecar at ${address} ended before it had answered`, {
    code: 'UNAVAILABLE',
    region,
    cause,
  })
}

/** The sidecar, going away, did not look at it. */
export function notTaken({ address, region }: Endpoint, cause: RefusedStream): PerigeeError {
  return new PerigeeError(
    `the sidecar at ${address} goes away, and did not take the call: ${cause.message}`,
    {
      code: 'UNAVAILABLE',
      region,
      cause,
    },
  )
}

/** The client was closed. */
export function closedError(): PerigeeError {
  return new PerigeeError('this Perigee client is closed: connect a new one with Perigee.connect()', {
    code: 'CANCELLED',
  })
}

/**
 * A call's end as grpc-js would tell it of a unary call, for one that was sent on a stream with others.
 *
 * @param status the `google.rpc.Status` that came for it, encoded.
 */
export function callEnded(code: number, details: string, status?: Buffer): ServiceError {
  const metadata = new Metadata()
  if (status) metadata.set(STATUS_DETAILS_KEY, status)
  const error = new Error(`${code} ${statusName(code)}: ${details}`)
  return Object.assign(error, { code, details, metadata })
}

/** Past its deadline. @param sent whether it had left this process. */
export function tooLate({ address, region }: Endpoint, sent: boolean): PerigeeError {
  const message = sent
    ? `the sidecar at ${address} had not answered by the deadline`
    : `the deadline passed before the call could be sent to the sidecar at ${address}, which takes calls too slowly`
  const cause = sent ? callEnded(STATUS.DEADLINE_EXCEEDED, message) : undefined
  return new PerigeeError(message, { code: 'DEADLINE_EXCEEDED', region, cause })
}

/** The connection ended before the call was sent on it. */
export function notSent({ address, region }: Endpoint): PerigeeError {
  return new PerigeeError(`the connection to the sidecar at ${address} ended before the call was sent`, {
    code: 'UNAVAILABLE',
    region,
  })
}
