import { comparePositions, parsePosition } from '@perigee/core'

/** Whether a chunk's version was written after another's, in whichever index: versions are positions in one order. */
export function isLater(version: string, other: string): boolean {
  const [a, b] = [parsePosition(version), parsePosition(other)]
  return a !== undefined && b !== undefined && comparePositions(a, b) > 0
}
