import { bytesSize, numberSize, textSize } from './sizes.ts'

/** Larger ones gain nothing. */
const VALUE_BYTES_MAX = 64 * 1024
const SECONDS_MAX = 2n ** 40n

/** A SetRequest as its sender has it. */
export interface SetFields {
  readonly namespace: string
  readonly key: string
  readonly value: Uint8Array
  readonly contentType: string
  readonly ttl?: { readonly seconds: bigint; readonly nanos: number } | undefined
  readonly precondition?: object | undefined
  readonly options?: { readonly durability: number; readonly requestId: string } | undefined
}

/** How many bytes a SetRequest takes, but for its session token; `undefined`: protobuf-es is to write it. */
export function setRequestBytes(fields: SetFields): number | undefined {
  const { namespace, key, value, contentType, ttl, precondition, options } = fields
  const requestId = options?.requestId ?? ''
  if (precondition || !(value instanceof Uint8Array) || value.length > VALUE_BYTES_MAX) return undefined
  if (!isAscii(namespace) || !isAscii(key) || !isAscii(contentType) || !isAscii(requestId)) return undefined
  if (ttl && !isPlainDuration(ttl)) return undefined
  return (
    textSize(namespace.length) +
    textSize(key.length) +
    (value.length === 0 ? 0 : bytesSize(value.length)) +
    textSize(contentType.length) +
    (ttl ? bytesSize(ttlSize(ttl)) : 0) +
    (options ? bytesSize(optionsSize(options)) : 0)
  )
}

export function ttlSize({ seconds, nanos }: NonNullable<SetFields['ttl']>): number {
  return numberSize(Number(seconds)) + numberSize(nanos)
}

export function optionsSize({ durability, requestId }: NonNullable<SetFields['options']>): number {
  return numberSize(durability) + textSize(requestId.length)
}

function isAscii(text: string): boolean {
  return typeof text === 'string' && Buffer.byteLength(text) === text.length
}

function isPlainDuration({ seconds, nanos }: { seconds: bigint; nanos: number }): boolean {
  return seconds >= 0n && seconds <= SECONDS_MAX && nanos >= 0 && nanos < 1e9
}
