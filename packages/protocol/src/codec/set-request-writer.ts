import { FrameWriter } from './frame-writer.ts'
import { type SetFields, setRequestBytes } from './set-fields.ts'

/** Encodes SetRequests. */
export class SetRequestWriter extends FrameWriter {
  /** Encodes one, but for its session token; `undefined`: protobuf-es is to. The memory is its taker's for good. */
  write(fields: SetFields): Buffer | undefined {
    const length = setRequestBytes(fields)
    if (length === undefined) return undefined
    this.room(length)
    this.setRequest(fields)
    return this.take()
  }
}
