import { type ServerInterceptingCallInterface, status } from '@grpc/grpc-js'
import { refusal, type StatusError } from '../status-error.ts'

/** grpc-js's words for a compressed message that it can't unpack. */
const CORRUPT = 'Failed to decompress message'

/**
 * Has a call say INVALID_ARGUMENT when a compressed message of it can't be unpacked: left to itself grpc-js answers INTERNAL,
 * as if the fault were the server's.
 *
 * @param refuse ends the call with an error.
 */
export function refusingCorrupt(
  call: ServerInterceptingCallInterface,
  refuse: (error: StatusError) => void,
): void {
  const send = call.sendStatus.bind(call)
  // By its own method grpc-js tells what it finds by itself, which no interceptor hears of.
  call.sendStatus = (told) => {
    if (told.code === status.INTERNAL && told.details === CORRUPT) refuse(corrupt())
    else send(told)
  }
}

function corrupt(): StatusError {
  return refusal(
    'INVALID_FIELD',
    "The message can't be unpacked; send it whole, in the encoding that `grpc-encoding` names, or without one.",
  )
}
