import { varintSize } from './varint.ts'

/** A length up to 4 GiB takes so many bytes at most. */
export const LENGTH_BYTES_MAX = 5
/** A loop over so few characters costs less than a call of Buffer. */
export const SHORT_TEXT = 48

/** How many bytes of UTF-8 a text has. */
export function utf8Length(text: string): number {
  if (text.length > SHORT_TEXT) return Buffer.byteLength(text)
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text)
  return text.length
}

export function numberSize(value: number): number {
  return value === 0 ? 0 : 1 + varintSize(value)
}

export function bytesSize(length: number): number {
  return 1 + varintSize(length) + length
}

export function textSize(length: number): number {
  return length === 0 ? 0 : bytesSize(length)
}

export function timestampSize(unixUs: number): number {
  const seconds = Math.floor(unixUs / 1e6)
  return numberSize(seconds) + numberSize((unixUs - seconds * 1e6) * 1000)
}

/** How many digits a whole number has. */
export function digitsOf(value: number): number {
  let count = 1
  for (let beyond = 10; value >= beyond; beyond *= 10) count += 1
  return count
}
