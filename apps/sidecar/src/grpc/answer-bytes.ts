import { type DescMessage, type Message, toBinary } from '@bufbuild/protobuf'

/** What one byte holds of a varint. */
const ONE_BYTE_MAX = 0x7f

/**
 * An answer as it goes over the wire. Fields that were encoded already, its unknown ones, are put beside the others as they
 * are, in memory of the right size: protobuf-es makes its memory larger step by step, and copies it in the end.
 */
export function answerBytes(schema: DescMessage, answer: Message): Uint8Array {
  const encoded = answer.$unknown ?? []
  if (encoded.length === 0 || encoded.some(({ no }) => no << 3 > ONE_BYTE_MAX))
    return toBinary(schema, answer)
  const others = toBinary(schema, answer, { writeUnknownFields: false })
  const bytes = Buffer.allocUnsafe(
    encoded.reduce((size, { data }) => size + 1 + data.length, 0) + others.length,
  )
  let at = 0
  for (const { no, wireType, data } of encoded) {
    bytes[at] = (no << 3) | wireType
    bytes.set(data, at + 1)
    at += 1 + data.length
  }
  bytes.set(others, at)
  return bytes
}
