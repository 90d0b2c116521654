import { hash } from 'node:crypto'
import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { type CallContext, writeDeadlineMs } from '../grpc/call.ts'
import type { WriteDemand } from '../primary/writer.ts'
import type { WriteChoice } from './validation/options.ts'

/** Sixteen hexadecimal digits: enough to tell a request id's other bodies, which nobody makes up on purpose. */
const HASH_DIGITS = 16

/** A write as its caller has it: the message, its schema, and what its options say. */
export interface AskedWrite<I extends DescMessage> {
  readonly schema: I
  readonly request: MessageShape<I>
  readonly choice: WriteChoice
  readonly call: CallContext
}

/** What the functions are told of a write. @param epoch that its session was checked against, where that is known. */
export function writeDemand<I extends DescMessage>(
  { schema, request, choice, call }: AskedWrite<I>,
  epoch?: number,
): WriteDemand {
  const { requestId, durability } = choice
  const demand = { deadlineMs: writeDeadlineMs(call), ...(epoch !== undefined && { epoch }), durability }
  return requestId === undefined
    ? demand
    : { ...demand, requestId, requester: call.principal.name, bodyHash: bodyHash(schema, request) }
}

/**
 * A short hash of what a write asks. Not of its options: a session's token, which grows from one attempt to the next, is
 * none of it.
 */
export function bodyHash<I extends DescMessage>(schema: I, request: MessageShape<I>): string {
  return hashOf(encoded(schema, request))
}

/** The same of a request without its options as protobuf-es encodes it. */
export function hashOf(body: Uint8Array): string {
  return hash('sha1', body).slice(0, HASH_DIGITS)
}

function encoded<I extends DescMessage>(schema: I, request: MessageShape<I>): Uint8Array {
  return toBinary(schema, { ...request, options: undefined } as MessageShape<I>)
}

/** JSON with the names of its objects in order: an encoder may give them in another order each time. */
export function inOrder(json: JsonObject): JsonObject {
  const entries = Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, value]) => [name, valueInOrder(value)]))
}

function valueInOrder(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(valueInOrder)
  return typeof value === 'object' && value !== null ? inOrder(value) : value
}
