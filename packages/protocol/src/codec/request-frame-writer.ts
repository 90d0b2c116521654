import { BYTES } from './cursor.ts'
import { CALL_FIELD } from './fields.ts'
import { FrameWriter } from './frame-writer.ts'
import type { CallHead } from './request-frame.ts'
import type { SetFields } from './set-fields.ts'
import { bytesSize, LENGTH_BYTES_MAX, numberSize, textSize, utf8Length } from './sizes.ts'

/** Builds MultiplexRequest frames, one after another. */
export class RequestFrameWriter extends FrameWriter {
  #calls = 0
  #cancels: number[] = []
  #tokens: Uint8Array[] = []

  /** Calls and cancels in the frame begun. */
  get calls(): number {
    return this.#calls + this.#cancels.length
  }

  /** The place of a session's token in the frame begun, from 1: the same for the same bytes in a row. */
  session(token: Uint8Array): number {
    const last = this.#tokens.at(-1)
    if (last !== token && !(last && sameBytes(last, token))) this.#tokens.push(token)
    return this.#tokens.length
  }

  /**
   * Adds a Get.
   *
   * @param request texts are well-formed; `options` is an encoded ReadOptions without its session token.
   */
  get(
    head: CallHead,
    { namespace, key, options }: { namespace: string; key: string; options?: Uint8Array | undefined },
  ): void {
    const namespaceBytes = utf8Length(namespace)
    const keyBytes = utf8Length(key)
    const length =
      textSize(namespaceBytes) + textSize(keyBytes) + (options === undefined ? 0 : bytesSize(options.length))
    this.#begin(head, CALL_FIELD.get, length)
    this.text(0x0a, namespace, namespaceBytes)
    this.text(0x12, key, keyBytes)
    if (options !== undefined) this.bytes(0x1a, options)
  }

  /** Adds a Set. @param length what {@link setRequestBytes} says of it. */
  set(head: CallHead, fields: SetFields, length: number): void {
    this.#begin(head, CALL_FIELD.set, length)
    this.setRequest(fields)
  }

  /** Adds any other call. @param request as protobuf-es encodes it. */
  call(head: CallHead, field: number, request: Uint8Array): void {
    this.#begin(head, field, request.length)
    this.buffer.set(request, this.at)
    this.at += request.length
  }

  /** Gives a call up. */
  cancel(id: number): void {
    this.#cancels.push(id)
  }

  override take(): Buffer {
    for (const id of this.#cancels) {
      this.room(1 + LENGTH_BYTES_MAX)
      this.buffer[this.at++] = 0x10
      this.varint(id)
    }
    for (const token of this.#tokens) {
      this.room(bytesSize(token.length))
      this.bytes(0x1a, token)
    }
    this.#calls = 0
    if (this.#cancels.length > 0) this.#cancels = []
    if (this.#tokens.length > 0) this.#tokens = []
    return super.take()
  }

  /** Writes all of a call but its request's content. */
  #begin({ id, timeoutMs, session }: CallHead, field: number, length: number): void {
    const head = numberSize(id) + numberSize(timeoutMs) + numberSize(session)
    const call = head + bytesSize(length)
    this.room(bytesSize(call))
    this.buffer[this.at++] = 0x0a
    this.varint(call)
    this.number(0x08, id)
    this.number(0x10, timeoutMs)
    this.number(0x18, session)
    this.buffer[this.at++] = (field << 3) | BYTES
    this.varint(length)
    this.#calls += 1
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}
