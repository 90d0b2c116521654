import { STATUS } from '@perigee/core'

/** How grpc-js words it; its status has no code of its own for this. */
const WORDS = ['Stream refused by server', 'No connection established']

/**
 * How an error says that the server, going away, did not look at a call, or that its connection was gone before the call could
 * be sent; `undefined` for any other error.
 */
export function refusedStream(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('details' in error && 'code' in error))
    return undefined
  const details = String(error.details)
  const refused = error.code === STATUS.UNAVAILABLE && WORDS.some((words) => details.startsWith(words))
  return refused ? details : undefined
}
