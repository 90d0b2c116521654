import { aborted } from './perigee-error.ts'

/**
 * Waits.
 *
 * @throws PerigeeError `CANCELLED` as soon as the signal fires.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal))
    const onAbort = () => {
      clearTimeout(timer)
      if (signal) reject(aborted(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** What a promise brings, or `undefined` when it takes longer than `ms`. Keeps no process alive. */
export async function inTime<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined).unref()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What a promise brings, or `undefined` when it takes longer than `ms` or fails. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return inTime(
    promise.catch(() => undefined),
    ms,
  )
}
