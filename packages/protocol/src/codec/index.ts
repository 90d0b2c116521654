/**
 * Reads and writes the hot messages of the Multiplex stream: its frames, Get and Set. It costs a tenth of what protobuf-es
 * takes for them; every other message stays with protobuf-es.
 *
 * Invariant: both agree, byte for byte in meaning (codec.spec.ts holds them against each other). What a reader here
 * isn't sure of, such as a field that came twice, it leaves to protobuf-es by saying `undefined` or `odd`.
 *
 * Readers give views of the frame: copy what is kept for long, since each pins the whole frame.
 */

export { MalformedFrame } from './cursor.ts'
export { CALL_FIELD, FORWARD_FIELD, REPLY_FIELD } from './fields.ts'
export { GetAnswerReader } from './get-answer-reader.ts'
export { GetRequestReader } from './get-request-reader.ts'
export { copyBytes, Pieces } from './pieces.ts'
export { type PlainSet, readPlainSet } from './plain-set.ts'
export { type CallHead, type FrameCall, type RequestFrame, readRequestFrame } from './request-frame.ts'
export { RequestFrameWriter } from './request-frame-writer.ts'
export { type FrameReply, type ResponseFrame, readResponseFrame } from './response-frame.ts'
export { type EncodedResult, type EntryFields, ResponseFrameWriter } from './response-frame-writer.ts'
export { readSearchResponse, searchRequestBytes } from './search-codec.ts'
export { type SetFields, setRequestBytes } from './set-fields.ts'
export { SetRequestWriter } from './set-request-writer.ts'
export { readSetResponse } from './set-response.ts'
export { varintSize, writeLength } from './varint.ts'
