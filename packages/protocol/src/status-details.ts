import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { anyPack, anyUnpack, durationFromMs, durationMs } from '@bufbuild/protobuf/wkt'
import { isReason, type Reason } from '@perigee/core'
import {
  BadRequest_FieldViolationSchema,
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from './gen/google/rpc/error_details_pb.ts'
import { StatusSchema } from './gen/google/rpc/status_pb.ts'

/** The domain of Perigee's reasons in `google.rpc.ErrorInfo`. */
export const ERROR_DOMAIN = 'perigee'

/** The trailer that carries a serialised `google.rpc.Status`. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin'

/** A field that a request got wrong, as `google.rpc.BadRequest` names it. */
export interface FieldViolation {
  /** Path of the field, in proto names: `chunks[3].vector`. */
  readonly field: string
  readonly description: string
}

/** What Perigee says of an error beside its status and message. */
export interface StatusDetails {
  readonly reason?: Reason | undefined
  /** More about the reason, such as the primary's name for `NOT_PRIMARY`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly fields?: readonly FieldViolation[] | undefined
  /** How long to wait before another try. */
  readonly retryDelayMs?: number | undefined
}

/** A serialised `google.rpc.Status` with the details, for {@link STATUS_DETAILS_KEY}. */
export function encodeStatusDetails(code: number, message: string, details: StatusDetails): Uint8Array {
  const status = create(StatusSchema, { code, message })
  if (details.reason) {
    const info = { reason: details.reason, domain: ERROR_DOMAIN, metadata: { ...details.metadata } }
    status.details.push(anyPack(ErrorInfoSchema, create(ErrorInfoSchema, info)))
  }
  if (details.fields?.length) {
    const fieldViolations = details.fields.map((v) => create(BadRequest_FieldViolationSchema, { ...v }))
    status.details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })))
  }
  if (details.retryDelayMs !== undefined) {
    const retryDelay = durationFromMs(details.retryDelayMs)
    status.details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })))
  }
  return toBinary(StatusSchema, status)
}

/** Reads {@link STATUS_DETAILS_KEY}; bytes that aren't a `google.rpc.Status` say nothing. */
export function decodeStatusDetails(bytes: Uint8Array): StatusDetails {
  let details: StatusDetails = {}
  try {
    for (const any of fromBinary(StatusSchema, bytes).details) details = { ...details, ...detailsOf(any) }
  } catch {
    return {}
  }
  return details
}

/** Reads a serialised `google.rpc.Status` whole. @throws Error for bytes that aren't one. */
export function decodeStatus(bytes: Uint8Array): {
  readonly code: number
  readonly message: string
  readonly details: StatusDetails
} {
  const { code, message } = fromBinary(StatusSchema, bytes)
  return { code, message, details: decodeStatusDetails(bytes) }
}

function detailsOf(any: Parameters<typeof anyUnpack>[0]): StatusDetails {
  const info = anyUnpack(any, ErrorInfoSchema)
  if (info) {
    const reason = info.domain === ERROR_DOMAIN && isReason(info.reason) ? info.reason : undefined
    return reason ? { reason, metadata: info.metadata } : {}
  }
  const badRequest = anyUnpack(any, BadRequestSchema)
  if (badRequest) {
    return { fields: badRequest.fieldViolations.map(({ field, description }) => ({ field, description })) }
  }
  const retry = anyUnpack(any, RetryInfoSchema)
  return retry?.retryDelay ? { retryDelayMs: durationMs(retry.retryDelay) } : {}
}
