import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf'
import { refusal, StatusError } from '../status-error.ts'

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

/** Bytes that aren't a message of the method's type, or one nested deeper than can be read. */
export class UnreadableRequest {
  readonly schema: DescMessage
  readonly why: string

  constructor(schema: DescMessage, why: string) {
    this.schema = schema
    this.why = why
  }

  /** What the caller is told. */
  error(): StatusError {
    const text = `The request can't be read as a ${this.schema.typeName} (${this.why}); send one that is well-formed, and nested at most 100 deep.`
    return refusal('INVALID_FIELD', text)
  }
}

/** Decodes requests of at most so many bytes; throwing would make grpc-js answer INTERNAL. */
export function requestDecoder(
  schema: DescMessage,
  bytesMax: number,
): (bytes: Buffer) => Message | OversizedRequest | UnreadableRequest {
  return (bytes) => {
    if (bytes.length > bytesMax) return new OversizedRequest(bytes.length, bytesMax)
    try {
      return fromBinary(schema, bytes)
    } catch (error) {
      return new UnreadableRequest(schema, (error as Error).message)
    }
  }
}
