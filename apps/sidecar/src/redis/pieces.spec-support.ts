import type { Pieces } from '@perigee/protocol'

/** The texts that pieces are, `null` for those that are missing. */
export function textsOf(pieces: Pieces): (string | null)[] {
  return Array.from({ length: pieces.length }, (_, i) => pieces.view(i)?.toString() ?? null)
}
