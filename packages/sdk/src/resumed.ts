import { PerigeeError } from './perigee-error.ts'

/**
 * A stream that is opened anew, at another sidecar, each time it breaks off after it had answered: because its sidecar
 * stops, is killed, or went silent. Its caller sees one stream.
 *
 * @param open opens it, going on to the next sidecar as long as none has answered.
 */
export async function* resumed<T>(
  signal: AbortSignal | undefined,
  open: () => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  for (;;) {
    let answered = false
    try {
      for await (const answer of open()) {
        answered = true
        yield answer
      }
      return
    } catch (error) {
      if (!answered || signal?.aborted || !brokeOff(error)) throw error
    }
  }
}

/** Ended from the outside: by the sidecar as it goes away, or with its connection. */
function brokeOff(error: unknown): boolean {
  const { code, reason, cause } = PerigeeError.from(error)
  if (code === 'UNAVAILABLE') return reason === undefined
  return code === 'CANCELLED' && cause instanceof Error && 'metadata' in cause
}
