import { status } from '@grpc/grpc-js'

/** How grpc-js words it; its status is that of a fault in the other side's code. */
const WORDS = ['Received RST_STREAM', 'Session closed']

/**
 * Whether a call failed because its connection was ended while it was under way, though grpc-js calls that INTERNAL: as
 * by a sidecar's HTTP/2 library when too many calls are cancelled in too short a time.
 */
export function connectionBroke(error: unknown): boolean {
  if (!(error instanceof Error && 'details' in error && 'code' in error)) return false
  const { code, details } = error
  return code === status.INTERNAL && WORDS.some((words) => String(details).startsWith(words))
}
