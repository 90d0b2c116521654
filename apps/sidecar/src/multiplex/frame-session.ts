import { decodeToken, type SessionToken } from '@perigee/core'

/** A session token that came with a frame, for those of its calls that name it. */
export class FrameSession {
  readonly bytes: Uint8Array
  #token: SessionToken | undefined

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** What it says; decoded once. @throws InvalidTokenError */
  get token(): SessionToken {
    this.#token ??= decodeToken(this.bytes)
    return this.#token
  }
}
