import { setTimeout as delay } from 'node:timers/promises'

const MARGIN_SHARE = 0.1
const MARGIN_MS_MAX = 100

/**
 * The deadline of a call made on behalf of another: a little earlier, so that its failure can still be told.
 *
 * @param deadlineMs of the call that waits, Unix milliseconds.
 */
export function innerDeadlineMs(deadlineMs: number): number {
  const leftMs = Math.max(0, deadlineMs - Date.now())
  return deadlineMs - Math.min(leftMs * MARGIN_SHARE, MARGIN_MS_MAX)
}

/** The promise's outcome, or `late()` thrown when it takes longer than `timeoutMs`. */
export async function within<T>(promise: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  const abort = new AbortController()
  const timeout = delay(Math.max(0, timeoutMs), undefined, { signal: abort.signal }).then(() => {
    throw late()
  })
  timeout.catch(() => {})
  promise.catch(() => {})
  try {
    return await Promise.race([promise, timeout])
  } finally {
    abort.abort()
  }
}
