import { status } from '@grpc/grpc-js'

/** How grpc-js words it; its status has no code of its own for this. */
const WORDS = ['Stream refused by server', 'No connection established']

/** The sidecar, going away, did not look at a call; or its connection was gone before the call could be sent. */
export class RefusedStream extends Error {
  override readonly name = 'RefusedStream'

  /** `undefined` for any other error. */
  static from(error: unknown): RefusedStream | undefined {
    if (!(error instanceof Error && 'details' in error && 'code' in error)) return undefined
    const { code, details } = error
    const refused = code === status.UNAVAILABLE && WORDS.some((words) => String(details).startsWith(words))
    return refused ? new RefusedStream(String(details)) : undefined
  }
}
