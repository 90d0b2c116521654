import { type DescMessage, type Message, toBinary, type UnknownField } from '@bufbuild/protobuf'
import type { EncodedResult } from '@perigee/protocol'

/** A field of an answer that is encoded already, and writes itself: to be put among the answer's unknown fields. Its tag is one byte. */
export interface EncodedField extends UnknownField, EncodedResult {
  /** Nobody will write it any more. */
  release(): void
}

/** What an {@link EncodedField} is as `data` of an unknown field: all but its tag, which whoever asks for it writes. */
export function dataOf(field: EncodedResult): Uint8Array {
  const bytes = Buffer.allocUnsafe(field.length)
  field.write(bytes, 0)
  return bytes.subarray(1)
}

/** An answer as it goes over the wire. */
export class AnswerBytes implements EncodedResult {
  readonly length: number
  readonly #others: Uint8Array
  #field: EncodedField | undefined

  constructor(schema: DescMessage, answer: Message) {
    const [field, another] = answer.$unknown ?? []
    if (field && !another && isEncoded(field)) this.#field = field
    this.#others = toBinary(schema, answer, { writeUnknownFields: !this.#field })
    this.length = (this.#field?.length ?? 0) + this.#others.length
  }

  write(to: Buffer, from: number): number {
    const at = this.#field?.write(to, from) ?? from
    to.set(this.#others, at)
    return at + this.#others.length
  }

  /** All of it, in memory of its own. */
  get bytes(): Buffer {
    if (!this.#field)
      return Buffer.from(this.#others.buffer, this.#others.byteOffset, this.#others.byteLength)
    const bytes = Buffer.allocUnsafe(this.length)
    this.write(bytes, 0)
    return bytes
  }

  /** Nobody will write it any more. */
  release(): void {
    this.#field?.release()
    this.#field = undefined
  }
}

function isEncoded(field: UnknownField): field is EncodedField {
  return 'release' in field
}
