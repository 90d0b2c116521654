import { comparePositions, type Position } from '@perigee/core'
import type { EntryFields } from '@perigee/protocol'

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

/** Reads stored entries one after another where they are, and makes nothing of them: it is the one that it read last. */
export class EntryReader implements EntryFields {
  memory: Buffer = Buffer.alloc(0)
  typeFrom = 0
  valueFrom = 0
  valueTo = 0
  epoch = 0
  seq = 0
  writtenAtUs = 0
  expiresAtUs = 0

  /** @returns whether what is from `from` to `to` is an entry of a format this version knows. */
  read(memory: Buffer, from: number, to: number): boolean {
    if (to - from < HEADER_BYTES || memory[from] !== FORMAT) return false
    this.memory = memory
    this.epoch = number64(memory, from + 1)
    this.seq = number64(memory, from + 9)
    this.writtenAtUs = number64(memory, from + 17)
    this.expiresAtUs = number64(memory, from + 25)
    this.typeFrom = from + HEADER_BYTES
    this.valueFrom = this.typeFrom + memory.readUInt8(from + HEADER_BYTES - 1)
    this.valueTo = to
    return this.valueFrom <= to
  }

  /** As {@link isVisible}. */
  isVisible(cleared: Position | undefined, nowMs: number): boolean {
    if (this.expiresAtUs > 0 && this.expiresAtUs / 1000 <= nowMs) return false
    return cleared === undefined || comparePositions(this, cleared) > 0
  }
}

/** An entry as it was read, in memory of its own. */
export function storedEntryOf(key: string, read: EntryFields): StoredEntry {
  const { memory, typeFrom, valueFrom, valueTo, epoch, seq, writtenAtUs, expiresAtUs } = read
  return {
    key,
    position: { epoch, seq },
    writtenAtMs: writtenAtUs / 1000,
    ...(expiresAtUs > 0 && { expiresAtMs: expiresAtUs / 1000 }),
    contentType: memory.toString('utf8', typeFrom, valueFrom),
    value: Buffer.from(memory.subarray(valueFrom, valueTo)),
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
