import { aborted } from './perigee-error.ts'
import type { AttemptOptions } from './transport.ts'
import { deadlineExceeded } from './transport-errors.ts'

/** Timers take no more. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Waits for what others wait for too, and what goes on for them when this attempt's time is over.
 *
 * @throws PerigeeError `DEADLINE_EXCEEDED` or `CANCELLED`, or whatever it fails with.
 */
export function withinAttempt<T>(shared: Promise<T>, { deadline, signal }: AttemptOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => signal && finish(() => reject(aborted(signal)))
    const late = () => finish(() => reject(deadlineExceeded()))
    const { remainingMs } = deadline
    const timer = remainingMs <= LONGEST_TIMER_MS ? setTimeout(late, remainingMs) : undefined
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    shared.then(
      (value) => finish(() => resolve(value)),
      (error) => finish(() => reject(error)),
    )
  })
}
