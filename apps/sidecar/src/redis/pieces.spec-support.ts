import { Pieces } from '@perigee/protocol'

/** Pieces that are those texts. */
export function piecesOf(...texts: readonly string[]): Pieces {
  const pieces = new Pieces(Buffer.from(texts.join('')))
  let at = 0
  for (const text of texts) {
    const to = at + Buffer.byteLength(text)
    pieces.add(at, to)
    at = to
  }
  return pieces
}

/** The texts that pieces are, `null` for those that are missing. */
export function textsOf(pieces: Pieces): (string | null)[] {
  return Array.from({ length: pieces.length }, (_, i) => pieces.view(i)?.toString() ?? null)
}
