import {
  type EncodedResult,
  type EntryFields,
  type Pieces,
  REPLY_FIELD,
  ResponseFrameWriter,
} from '@perigee/protocol'
import type { FrameStream } from '../grpc/frame-stream.ts'

/** More replies in a frame gain nothing. */
const REPLIES_MAX = 128
/** A larger one has its frame for itself. */
const BYTES_MAX = 1024 * 1024

/** What a stream's calls are answered: as many replies share a frame as become ready in one turn. */
export class Replies {
  readonly #stream: FrameStream
  readonly #writer = new ResponseFrameWriter()
  readonly #flushLater = () => {
    this.#scheduled = false
    this.flush()
  }
  readonly #sent = (frame: Buffer) => this.#writer.giveBack(frame)
  #scheduled = false

  constructor(stream: FrameStream) {
    this.#stream = stream
  }

  /**
   * The answer of a Get, whose key is the one at `i`.
   *
   * @throws StatusError OVERLOADED when there is no room to keep it until it is taken.
   */
  entry(id: number, entry: EntryFields | undefined, keys: Pieces, i: number, receipt: Uint8Array): void {
    const bytes = entry ? entry.valueTo - entry.valueFrom : 0
    this.#stream.peer.checkRoom(bytes)
    this.#before(bytes)
    this.#writer.entry(id, entry, keys, i, receipt)
    this.#after()
  }

  /** The answer of a Set. */
  set(id: number, version: string, receipt: Uint8Array): void {
    this.#writer.set(id, version, receipt)
    this.#after()
  }

  /** An encoded answer. @param field one of REPLY_FIELD. */
  message(id: number, field: number, result: Uint8Array | EncodedResult): void {
    this.#before(result.length)
    this.#writer.message(id, field, result)
    this.#after()
  }

  /** An encoded `google.rpc.Status`. */
  error(id: number, status: Uint8Array): void {
    this.message(id, REPLY_FIELD.error, status)
  }

  /** Says that the sidecar is going away. */
  draining(): void {
    this.#writer.draining()
    this.flush()
  }

  /** Sends what there is. */
  flush(): void {
    if (this.#writer.byteLength > 0) this.#stream.write(this.#writer.take(), this.#sent)
  }

  #before(bytes: number): void {
    if (this.#writer.byteLength + bytes > BYTES_MAX) this.flush()
  }

  #after(): void {
    if (this.#writer.replies >= REPLIES_MAX || this.#writer.byteLength >= BYTES_MAX) this.flush()
    else if (!this.#scheduled) {
      this.#scheduled = true
      process.nextTick(this.#flushLater)
    }
  }
}
