import { BYTES, Cursor, textOf } from './cursor.ts'

/** Reads a SetResponse; `undefined`: protobuf-es is to. */
export function readSetResponse(
  bytes: Buffer,
): { readonly version: string; readonly receipt: Buffer | undefined } | undefined {
  const fields = new Array<Buffer | undefined>(3)
  if (!readFields(bytes, fields)) return undefined
  const version = textOf(fields[1])
  return version === undefined ? undefined : { version, receipt: fields[2] }
}

/**
 * Reads length-delimited fields of a message, by number; others are passed over.
 *
 * @returns false for a field that came twice.
 * @throws MalformedFrame
 */
function readFields(bytes: Buffer, fields: (Buffer | undefined)[]): boolean {
  const cursor = new Cursor(bytes)
  while (!cursor.ended) {
    const tag = cursor.tag()
    const number = tag >>> 3
    if ((tag & 7) === BYTES && number < fields.length) {
      if (fields[number] !== undefined) return false
      fields[number] = cursor.bytes()
    } else cursor.skip()
  }
  return true
}
