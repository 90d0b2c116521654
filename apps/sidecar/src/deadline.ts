const MARGIN_SHARE = 0.1
const MARGIN_MS_MAX = 100
/** Longer timers go off at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

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
export function within<T>(promise: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), Math.min(Math.max(0, timeoutMs), TIMER_MS_MAX))
    promise.then(
      (outcome) => {
        clearTimeout(timer)
        resolve(outcome)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
