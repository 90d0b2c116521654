import { randomUUID } from 'node:crypto'
import { Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { encodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'
import type { Logger } from 'pino'
import { StatusError } from '../status-error.ts'

/** Longest message that goes into the trailers; HTTP/2 peers refuse headers of many kilobytes. */
const MESSAGE_LENGTH_MAX = 2000

/** What a caller is told of a failure. */
export interface ToldError {
  readonly code: number
  readonly message: string
  /** An encoded `google.rpc.Status` with the details. */
  readonly status: Uint8Array
}

/**
 * What the caller is told of anything thrown: a `StatusError` as it is, everything else INTERNAL with a log id and
 * nothing more; the log has the rest under that id.
 */
export function toToldError(thrown: unknown, log: Logger, method: string): ToldError {
  const error = thrown instanceof StatusError ? thrown : unexpected(thrown, log, method)
  const message = wellFormed(error.message)
  return { code: error.code, message, status: encodeStatusDetails(error.code, message, error.details) }
}

/** {@link toToldError} in grpc-js's form. */
export function toGrpcStatus(thrown: unknown, log: Logger, method: string): StatusObject {
  const { code, message, status } = toToldError(thrown, log, method)
  const metadata = new Metadata()
  metadata.set(STATUS_DETAILS_KEY, Buffer.from(status))
  return { code, details: message, metadata }
}

function unexpected(thrown: unknown, log: Logger, method: string): StatusError {
  const logId = randomUUID()
  log.error({ err: thrown, logId, method }, 'unexpected error')
  return new StatusError(
    'INTERNAL',
    `Something unexpected happened; ask the operator to look for log id ${logId} in the sidecar's log.`,
  )
}

/** grpc-js percent-encodes the message, and that throws on half a surrogate pair. */
function wellFormed(message: string): string {
  const short = message.length > MESSAGE_LENGTH_MAX ? `${message.slice(0, MESSAGE_LENGTH_MAX)}…` : message
  return short.toWellFormed()
}

/** The name of the status, as metrics and logs carry it. */
export function statusLabel(code: number): string {
  return status[code] ?? 'UNKNOWN'
}
