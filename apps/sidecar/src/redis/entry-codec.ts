import { comparePositions, type Position } from '@perigee/core'

/**
 * A cache entry as the data Redis holds it: a header of 34 bytes, big-endian, then the content type, then the value.
 *
 * Header: format 1 (1 byte), epoch (8), seq (8), written-at in Unix microseconds (8), expires-at likewise or 0 (8),
 * bytes of the content type (1). The functions write it (`prelude.lua`), this reads it.
 */
export interface StoredEntry {
  readonly key: string
  readonly value: Uint8Array
  readonly contentType: string
  readonly position: Position
  /** Unix milliseconds by the primary Redis's clock. */
  readonly writtenAtMs: number
  /** Likewise; absent: never. */
  readonly expiresAtMs?: number
}

/** What of a stored entry decides whether a reader sees it. */
export interface EntryHeader {
  readonly position: Position
  readonly writtenAtMs: number
  readonly expiresAtMs?: number
}

const FORMAT = 1
const HEADER_BYTES = 34

/** Reads a stored entry's header; `undefined` for bytes that aren't one of a format this version knows. */
export function decodeEntryHeader(bytes: Buffer): EntryHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT) return undefined
  const expiresAtUs = number64(bytes, 25)
  return {
    position: { epoch: number64(bytes, 1), seq: number64(bytes, 9) },
    writtenAtMs: number64(bytes, 17) / 1000,
    ...(expiresAtUs > 0 && { expiresAtMs: expiresAtUs / 1000 }),
  }
}

/** Reads a stored entry; its value is a view of the bytes. */
export function decodeEntry(key: string, bytes: Buffer): StoredEntry | undefined {
  const header = decodeEntryHeader(bytes)
  if (!header) return undefined
  const valueAt = HEADER_BYTES + bytes.readUInt8(HEADER_BYTES - 1)
  return {
    key,
    ...header,
    contentType: bytes.toString('utf8', HEADER_BYTES, valueAt),
    value: bytes.subarray(valueAt),
  }
}

/** Whether a reader sees an entry: not expired, and later than the namespace's last clearing. */
export function isVisible(entry: EntryHeader, cleared: Position | undefined, nowMs: number): boolean {
  if (entry.expiresAtMs !== undefined && entry.expiresAtMs <= nowMs) return false
  return cleared === undefined || comparePositions(entry.position, cleared) > 0
}

/** Unsigned 64-bit, of which only numbers up to 2⁵³ are ever written. */
function number64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
}
