import { comparePositions, type Position } from './position.ts'

/**
 * What a session has seen: a cluster and a position in its order of writes.
 *
 * A state includes a token when it includes every position in it. Nearly always there is one. Two appear when a
 * session's calls were answered from both sides of a failover at once: only a state of the later epoch can tell whether
 * the failover kept the earlier position, and until one has been asked, neither may be forgotten.
 *
 * Bytes: format version (1), cluster id (8), then epoch and seq of the position, unsigned 64-bit big-endian. With
 * `older` positions the format is 2, and they come first, in order. The string form, for cookies, headers and
 * messages, is their base64url.
 */
export interface SessionToken {
  /** Sixteen lower-case hexadecimal digits, drawn when the cluster was initialised. */
  readonly clusterId: string
  /** The newest position seen. */
  readonly position: Position
  /** Positions of earlier epochs, oldest first, that `position` isn't known to include. Never empty. */
  readonly older?: readonly Position[]
}

/** Why bytes or a string aren't a session token. */
export class InvalidTokenError extends Error {
  override name = 'InvalidTokenError'
}

/** One position. */
const FORMAT = 1
/** Two positions or more. */
const FORMAT_OF_MANY = 2
const HEAD_BYTES = 9
const POSITION_BYTES = 16
/** Of positions in one token; a session that saw more failovers between two answers forgets the oldest. */
const POSITIONS_MAX = 16
const TEXT_LENGTH_MAX = Math.ceil(((HEAD_BYTES + POSITION_BYTES * POSITIONS_MAX) * 4) / 3)
const CLUSTER_ID = /^[0-9a-f]{16}$/
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** Every position of a token, oldest first. */
export function positionsOf(token: SessionToken): readonly Position[] {
  return token.older ? [...token.older, token.position] : [token.position]
}

/** The token's bytes, as requests and receipts carry them. */
export function encodeToken(token: SessionToken): Uint8Array {
  if (!CLUSTER_ID.test(token.clusterId)) throw new InvalidTokenError('a cluster id has 16 hexadecimal digits')
  const positions = positionsOf(token)
  const bytes = new Uint8Array(HEAD_BYTES + POSITION_BYTES * positions.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, positions.length === 1 ? FORMAT : FORMAT_OF_MANY)
  view.setUint32(1, Number.parseInt(token.clusterId.slice(0, 8), 16))
  view.setUint32(5, Number.parseInt(token.clusterId.slice(8), 16))
  for (const [i, { epoch, seq }] of positions.entries()) {
    writeNumber(view, HEAD_BYTES + POSITION_BYTES * i, epoch)
    writeNumber(view, HEAD_BYTES + POSITION_BYTES * i + 8, seq)
  }
  return bytes
}

/**
 * Reads a token's bytes.
 *
 * @throws InvalidTokenError for another length or format, a number over 2⁵³ − 1, or positions out of order.
 */
export function decodeToken(bytes: Uint8Array): SessionToken {
  const count = (bytes.length - HEAD_BYTES) / POSITION_BYTES
  if (!Number.isInteger(count) || count < 1 || count > POSITIONS_MAX) {
    throw new InvalidTokenError(`no session token has ${bytes.length} bytes`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const format = view.getUint8(0)
  if (format !== (count === 1 ? FORMAT : FORMAT_OF_MANY)) {
    throw new InvalidTokenError(`session token format ${format} is not known for ${bytes.length} bytes`)
  }
  const clusterId = hexadecimal(view.getUint32(1)) + hexadecimal(view.getUint32(5))
  const position = readPosition(view, count - 1)
  if (count === 1) return { clusterId, position }
  const older = Array.from({ length: count - 1 }, (_, i) => readPosition(view, i))
  for (const [i, { epoch }] of older.entries()) {
    if (epoch >= (older[i + 1] ?? position).epoch) {
      throw new InvalidTokenError("a session token's positions are in the order of their epochs")
    }
  }
  return { clusterId, position, older }
}

function readPosition(view: DataView, i: number): Position {
  const epoch = readNumber(view, HEAD_BYTES + POSITION_BYTES * i)
  const seq = readNumber(view, HEAD_BYTES + POSITION_BYTES * i + 8)
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(seq)) {
    throw new InvalidTokenError('a session token names a position over 2^53')
  }
  return { epoch, seq }
}

// In halves: BigInt takes ten times as long, and every call has a token or two.
function writeNumber(view: DataView, offset: number, number: number): void {
  view.setUint32(offset, Math.floor(number / 2 ** 32))
  view.setUint32(offset + 4, number >>> 0)
}

function readNumber(view: DataView, offset: number): number {
  return view.getUint32(offset) * 2 ** 32 + view.getUint32(offset + 4)
}

function hexadecimal(half: number): string {
  return half.toString(16).padStart(8, '0')
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
  if (text.length > TEXT_LENGTH_MAX || !BASE64URL.test(text)) {
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
 * What a session has seen once it has seen both: within an epoch the greater seq, and of different epochs each one's,
 * since a later one need not contain what an earlier one lost. Merging never goes back, in whatever order answers
 * arrive, and however often.
 *
 * @throws InvalidTokenError when they are of different clusters.
 */
export function mergeTokens(a: SessionToken, b: SessionToken): SessionToken {
  if (a.clusterId !== b.clusterId) {
    throw new InvalidTokenError(
      `session tokens of clusters ${a.clusterId} and ${b.clusterId} can't be merged`,
    )
  }
  if (!a.older && !b.older && a.position.epoch === b.position.epoch) {
    return a.position.seq >= b.position.seq ? a : b
  }
  return tokenOf(a.clusterId, [...positionsOf(a), ...positionsOf(b)]) as SessionToken
}

/**
 * A token of those of its positions for which `keep` says so; `undefined` when that is none. For positions that a state
 * was found to include, which a position of that state then stands for.
 */
export function filterToken(
  token: SessionToken,
  keep: (position: Position) => boolean,
): SessionToken | undefined {
  const kept = positionsOf(token).filter(keep)
  return kept.length === (token.older?.length ?? 0) + 1 ? token : tokenOf(token.clusterId, kept)
}

/** Whether a token asks for a position, or for a later one of its epoch. */
export function tokenCovers(token: SessionToken, { epoch, seq }: Position): boolean {
  return positionsOf(token).some((position) => position.epoch === epoch && position.seq >= seq)
}

/** A token of positions in any order: of each epoch the greatest. */
function tokenOf(clusterId: string, positions: readonly Position[]): SessionToken | undefined {
  const greatest = new Map<number, Position>()
  for (const position of [...positions].sort(comparePositions)) greatest.set(position.epoch, position)
  const older = [...greatest.values()].slice(-POSITIONS_MAX)
  const position = older.pop()
  if (!position) return undefined
  return { clusterId, position, ...(older.length > 0 && { older }) }
}
