import { hash, timingSafeEqual } from 'node:crypto'
import { isPrincipalName } from './principal.ts'
import { UnreadableFile } from './watched-file.ts'

/** A token that is accepted. */
export interface KnownToken {
  readonly name: string
  /** SHA-256 of the token, hexadecimal. */
  readonly digest: string
  /** Unix milliseconds; absent: it doesn't expire. */
  readonly expiresMs?: number | undefined
}

/** The SHA-256 of a token: tokens have 256 bits of chance in them, so it needs no salt. */
export function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

const LINE = /^(\S+) sha256:([0-9a-f]{64})(?: expires:(\S+))?$/

/** The tokens that are accepted: for each name several, so that one can be replaced by another in peace. */
export class Tokens {
  readonly #known: readonly { readonly token: KnownToken; readonly bytes: Buffer }[]

  constructor(known: readonly KnownToken[]) {
    this.#known = known.map((token) => ({ token, bytes: Buffer.from(token.digest, 'hex') }))
  }

  /**
   * Reads a tokens file: a line `NAME sha256:DIGEST`, or `NAME sha256:DIGEST expires:2027-01-31T00:00:00Z`, for each; lines
   * that begin with # and empty ones say nothing.
   *
   * @throws UnreadableFile
   */
  static parse(text: string): Tokens {
    const known: KnownToken[] = []
    for (const [i, line] of text.split(/\r?\n/).entries()) {
      const trimmed = line.trim()
      if (trimmed === '' || trimmed.startsWith('#')) continue
      const [, name, digest = '', expires] = LINE.exec(trimmed) ?? []
      const expiresMs = expires === undefined ? undefined : Date.parse(expires)
      if (!isPrincipalName(name) || Number.isNaN(expiresMs)) {
        throw new UnreadableFile(
          `line ${i + 1} must be NAME sha256:DIGEST, or NAME sha256:DIGEST expires:TIME; \`perigee token NAME\` makes one`,
        )
      }
      known.push({ name, digest, expiresMs })
    }
    return new Tokens(known)
  }

  /** The one with a digest. It takes as long whichever it is, and when there is none. */
  find(digest: Buffer): KnownToken | undefined {
    let found: KnownToken | undefined
    for (const { token, bytes } of this.#known) if (timingSafeEqual(bytes, digest)) found = token
    return found
  }
}

/** What sidecars show each other. */
export interface PeerTokens {
  /** What this one shows. */
  readonly shown: string
  /** What is taken from others. */
  readonly taken: Tokens
}

/** The tokens of sidecars, one a line; the first is the one to show. @throws UnreadableFile */
export function parsePeerTokens(text: string): PeerTokens {
  const tokens = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const [shown] = tokens
  if (shown === undefined) throw new UnreadableFile('must hold a token; `perigee token peer` makes one')
  for (const [i, token] of tokens.entries()) {
    if (!/^[\x21-\x7e]{32,1024}$/.test(token)) {
      throw new UnreadableFile(
        `token ${i + 1} must have 32 to 1,024 visible ASCII characters, without spaces`,
      )
    }
  }
  const known = tokens.map((token) => ({ name: 'peer', digest: digestOf(token).toString('hex') }))
  return { shown, taken: new Tokens(known) }
}
