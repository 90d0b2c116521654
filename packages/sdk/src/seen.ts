import { decodeToken, encodeToken, mergeTokens, type SessionToken, tokenToString } from '@perigee/core'

/** What a session has seen. It only ever grows, in whatever order answers arrive. */
export class Seen {
  #token: SessionToken | undefined
  #bytes: Uint8Array | undefined

  /** The token's bytes, as requests carry them; `undefined` when nothing has been seen. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes
  }

  /** The token's string form; empty when nothing has been seen. */
  get text(): string {
    return this.#bytes ? tokenToString(this.#bytes) : ''
  }

  /**
   * Adds what an answer has seen.
   *
   * @throws InvalidTokenError for bytes that are no token, or one of another cluster.
   */
  include(bytes: Uint8Array): void {
    const token = decodeToken(bytes)
    const merged = this.#token ? mergeTokens(this.#token, token) : token
    if (merged === this.#token) return
    this.#token = merged
    this.#bytes = encodeToken(merged)
  }
}
