/**
 * A place in the one order of all writes: within an epoch `seq` grows by one for each entry or chunk written.
 *
 * Both are whole numbers from 0 to 2⁵³ − 1. Positions of different epochs can't simply be compared: a later
 * epoch doesn't contain what an earlier one lost. {@link coverageOf} decides that with the forks.
 */
export interface Position {
  readonly epoch: number
  readonly seq: number
}

/** Before every write: the position of an empty cluster. */
export const ORIGIN: Position = Object.freeze({ epoch: 0, seq: 0 })

const TEXT = /^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/

/** The text form, `epoch-seq`, such as `1763848912345002-1042`. */
export function formatPosition(position: Position): string {
  return `${position.epoch}-${position.seq}`
}

/** Reads the text form; `undefined` when it isn't one. */
export function parsePosition(text: string): Position | undefined {
  const match = TEXT.exec(text)
  if (!match) return undefined
  const epoch = Number(match[1])
  const seq = Number(match[2])
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(seq) ? { epoch, seq } : undefined
}

/**
 * Orders positions as pairs: negative when `a` is earlier. Right for merging what one reader has seen and for
 * finding the newest; wrong for asking whether a state includes a position, see {@link coverageOf}.
 */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq
}

/** The later of two, as pairs. */
export function laterPosition(a: Position, b: Position): Position {
  return comparePositions(a, b) >= 0 ? a : b
}

/** Whether two are the same place. */
export function samePosition(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.seq === b.seq
}
