import { fromBinary } from '@bufbuild/protobuf'
import {
  ReceiptSchema,
  readSetResponse,
  SetResponseSchema,
  type Receipt as WireReceipt,
} from '@perigee/protocol'

/** What a sidecar answers to a Set. */
export interface SetAnswer {
  readonly version: string
  readonly receipt: WireReceipt | undefined
}

/** All answers of a frame have one receipt, mostly. */
let last: { readonly bytes: Uint8Array; readonly receipt: WireReceipt } | undefined

/** Reads an encoded SetResponse. @throws Error for what isn't one. */
export function readSetAnswer(bytes: Buffer): SetAnswer {
  const quickly = readSetResponse(bytes)
  if (!quickly) return fromBinary(SetResponseSchema, bytes) as SetAnswer
  return { version: quickly.version, receipt: quickly.receipt && receiptOf(quickly.receipt) }
}

function receiptOf(encoded: Buffer): WireReceipt {
  if (!last || Buffer.compare(last.bytes, encoded) !== 0) {
    const bytes = Uint8Array.from(encoded)
    last = { bytes, receipt: fromBinary(ReceiptSchema, bytes) }
  }
  return last.receipt
}
