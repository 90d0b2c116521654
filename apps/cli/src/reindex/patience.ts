import { setTimeout as delay } from 'node:timers/promises'
import { PerigeeError } from '@perigee/sdk'
import type { Context } from '../context.ts'

const EVERY_MS = 1_000
const FOR_MS = 60_000

/** Does work that may be done twice, and tries again for a minute while a region or the primary is away. */
export async function patiently<T>({ output, signal }: Context, work: () => Promise<T>): Promise<T> {
  const until = performance.now() + FOR_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const again = error instanceof PerigeeError && error.retryable && performance.now() < until
      if (!again || signal.aborted) throw error
      output.note(`${error.message}; trying again`)
      await delay(EVERY_MS, undefined, { signal })
    }
  }
}
