import { pause } from './pause.ts'
import { PerigeeError } from './perigee-error.ts'

/** A stream that breaks off sooner than this after it was opened isn't opened anew at once. */
const SHORT_MS = 1_000
const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 2_000

/**
 * A stream that is opened anew, at another sidecar, each time it breaks off after it had answered: because its sidecar
 * stops, is killed, or went silent. Its caller sees one stream. Between streams that live for less than a second there
 * are pauses, of 0.1 s at first and 2 s at most.
 *
 * @param open opens it, going on to the next sidecar as long as none has answered.
 */
export async function* resumed<T>(
  signal: AbortSignal | undefined,
  open: () => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  for (let shortLived = 0; ; ) {
    const openedAt = performance.now()
    let answered = false
    try {
      for await (const answer of open()) {
        answered = true
        yield answer
      }
      return
    } catch (error) {
      if (!answered || signal?.aborted || !brokeOff(error)) throw error
      shortLived = performance.now() - openedAt < SHORT_MS ? shortLived + 1 : 0
    }
    if (shortLived > 0) {
      const backoffMs = Math.min(FIRST_BACKOFF_MS * 2 ** (shortLived - 1), LONGEST_BACKOFF_MS)
      await pause(backoffMs * (0.75 + Math.random() / 2), signal)
    }
  }
}

/** Ended from the outside: by the sidecar as it goes away, or with its connection. */
function brokeOff(error: unknown): boolean {
  const { code, reason, cause } = PerigeeError.from(error)
  if (code === 'UNAVAILABLE') return reason === undefined
  return code === 'CANCELLED' && cause instanceof Error && 'metadata' in cause
}
