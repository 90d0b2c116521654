import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf'
import { StatusError } from '../status-error.ts'

/** A request that is larger than allowed, in place of its message. */
export class OversizedRequest {
  readonly bytes: number
  readonly bytesMax: number

  constructor(bytes: number, bytesMax: number) {
    this.bytes = bytes
    this.bytesMax = bytesMax
  }

  /** What the caller is told. */
  error(): StatusError {
    return new StatusError(
      'RESOURCE_EXHAUSTED',
      `The request has ${this.bytes} bytes, at most ${this.bytesMax} are taken; split it into several calls.`,
    )
  }
}

/** Decodes requests of at most so many bytes; throwing would make grpc-js answer INTERNAL. */
export function requestDecoder(
  schema: DescMessage,
  bytesMax: number,
): (bytes: Buffer) => Message | OversizedRequest {
  return (bytes) =>
    bytes.length > bytesMax ? new OversizedRequest(bytes.length, bytesMax) : fromBinary(schema, bytes)
}
