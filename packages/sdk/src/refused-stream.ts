import { refusedStream } from '@perigee/protocol'

/** The sidecar, going away, did not look at a call; or its connection was gone before the call could be sent. */
export class RefusedStream extends Error {
  override readonly name = 'RefusedStream'

  /** `undefined` for any other error. */
  static from(error: unknown): RefusedStream | undefined {
    const words = refusedStream(error)
    return words === undefined ? undefined : new RefusedStream(words)
  }
}
