import { create, fromBinary, type Message } from '@bufbuild/protobuf'
import { type Call, CallSchema, type FrameCall } from '@perigee/protocol'
import { requestDecoder, UnreadableRequest } from '../grpc/request-bytes.ts'
import { checkMessage } from '../services/validation/message-walk.ts'
import { invalidField, StatusError } from '../status-error.ts'
import type { FrameSession } from './frame-session.ts'
import type { MultiplexedMethod } from './methods.ts'

/**
 * A call's request as its handler takes it, with the session's token among its options.
 *
 * @returns an UnreadableRequest for bytes that aren't one.
 * @throws StatusError for a call with fields that aren't of the contract.
 */
export function callRequest({
  method: { method, options },
  asked,
  session,
}: {
  method: MultiplexedMethod
  asked: FrameCall
  session: FrameSession | undefined
}): Message | UnreadableRequest {
  const request = asked.odd
    ? oddCall(asked).request.value
    : requestDecoder(method.input, asked.request.length)(asked.request)
  if (!request || !('$typeName' in request)) return request as UnreadableRequest
  if (session && options) {
    const withOptions = request as { options?: Message & { sessionToken?: Uint8Array } }
    withOptions.options ??= create(options)
    withOptions.options.sessionToken = session.bytes
  }
  return request
}

/** A call that the codec isn't sure of, read by protobuf-es. @throws StatusError */
function oddCall({ bytes }: FrameCall): Call {
  let call: Call
  try {
    call = fromBinary(CallSchema, bytes)
  } catch (error) {
    throw new UnreadableRequest(CallSchema, (error as Error).message).error()
  }
  checkMessage(CallSchema, call)
  return call
}

/** The error for a call that asks for nothing that this version knows. */
export function requestless(asked: FrameCall): StatusError {
  try {
    if (asked.odd) oddCall(asked)
  } catch (error) {
    if (error instanceof StatusError) return error
  }
  return invalidField('request', 'must be set: one of those that a call can have')
}

/** The error for a call whose session isn't in its frame. */
export function noSuchSession({ session }: FrameCall, count: number): StatusError {
  return invalidField(
    'session',
    `is ${session}, and its frame has ${count} session tokens; name one by its place, from 1`,
  )
}
