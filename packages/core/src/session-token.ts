import { comparePositions, type Position } from './position.ts'

/**
 * What a session has seen: a cluster and a position in its order of writes.
 *
 * Bytes: format version (1), cluster id (8), then for each partition (one, for now) epoch and seq, unsigned
 * 64-bit big-endian. The string form, for cookies, headers and messages, is their base64url.
 */
export interface SessionToken {
  /** Sixteen lower-case hexadecimal digits, drawn when the cluster was initialised. */
  readonly clusterId: string
  readonly position: Position
}

/** Why bytes or a string aren't a session token. */
export class InvalidTokenError extends Error {
  override name = 'InvalidTokenError'
}

const FORMAT = 1
const LENGTH = 25
const CLUSTER_ID = /^[0-9a-f]{16}$/
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** The token's bytes, as requests and receipts carry them. */
export function encodeToken(token: SessionToken): Uint8Array {
  if (!CLUSTER_ID.test(token.clusterId)) throw new InvalidTokenError('a cluster id has 16 hexadecimal digits')
  const bytes = new Uint8Array(LENGTH)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, FORMAT)
  view.setBigUint64(1, BigInt(`0x${token.clusterId}`))
  view.setBigUint64(9, BigInt(token.position.epoch))
  view.setBigUint64(17, BigInt(token.position.seq))
  return bytes
}

/**
 * Reads a token's bytes.
 *
 * @throws InvalidTokenError for another length or format, or a number over 2⁵³ − 1.
 */
export function decodeToken(bytes: Uint8Array): SessionToken {
  if (bytes.length !== LENGTH) {
    throw new InvalidTokenError(`a session token has ${LENGTH} bytes, this one has ${bytes.length}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const format = view.getUint8(0)
  if (format !== FORMAT) throw new InvalidTokenError(`session token format ${format} is not known`)
  const epoch = Number(view.getBigUint64(9))
  const seq = Number(view.getBigUint64(17))
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(seq)) {
    throw new InvalidTokenError('a session token names a position over 2^53')
  }
  return { clusterId: view.getBigUint64(1).toString(16).padStart(16, '0'), position: { epoch, seq } }
}

/** The string form of a token's bytes. */
export function tokenToString(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/**
 * The bytes of a token's string form, checked.
 *
 * @throws InvalidTokenError when it isn't one.
 */
export function tokenFromString(text: string): Uint8Array {
  if (text.length > 64 || !BASE64URL.test(text)) {
    throw new InvalidTokenError('a session token is a short base64url string, as session.token gives it')
  }
  let binary: string
  try {
    binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    throw new InvalidTokenError('a session token is a short base64url string, as session.token gives it')
  }
  const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0))
  decodeToken(bytes)
  return bytes
}

/**
 * What a session has seen once it has seen both: the later epoch wins, within an epoch the greater seq. Merging
 * never goes back, in whatever order answers arrive.
 *
 * @throws InvalidTokenError when they are of different clusters.
 */
export function mergeTokens(a: SessionToken, b: SessionToken): SessionToken {
  if (a.clusterId !== b.clusterId) {
    throw new InvalidTokenError(
      `session tokens of clusters ${a.clusterId} and ${b.clusterId} can't be merged`,
    )
  }
  return comparePositions(a.position, b.position) >= 0 ? a : b
}
