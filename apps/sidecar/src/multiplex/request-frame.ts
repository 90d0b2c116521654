import {
  MalformedFrame,
  MultiplexRequestSchema,
  type RequestFrame,
  readRequestFrame,
} from '@perigee/protocol'
import { OversizedRequest, UnreadableRequest } from '../grpc/request-bytes.ts'
import { refusal } from '../status-error.ts'

const UNKNOWN_IN_FRAME =
  "The frame has a field that isn't known to this version; make unary calls, or ask a newer sidecar."

/** A client's frame. @throws StatusError for one that is too large, that can't be read, or has fields that this version doesn't know. */
export function readFrame(bytes: Buffer, bytesMax: number): RequestFrame {
  if (bytes.length > bytesMax) throw new OversizedRequest(bytes.length, bytesMax).error()
  try {
    const frame = readRequestFrame(bytes)
    if (frame.odd) throw refusal('UNKNOWN_FIELD', UNKNOWN_IN_FRAME)
    return frame
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error
    throw new UnreadableRequest(MultiplexRequestSchema, error.message).error()
  }
}
