import { NAMESPACE } from '../checker/driven-session.ts'
import { DEADLINE_MS } from './load.ts'
import type { Stage } from './stage.ts'

/** Reads a few entries with a client that knows nothing yet; gives how many of the reads failed. */
export async function newcomer(stage: Stage, home: string): Promise<number> {
  await using client = await stage.client(home)
  const cache = client.cache(NAMESPACE)
  const reads = Array.from({ length: 5 }, (_, i) => cache.get(`k${i}`, { timeoutMs: DEADLINE_MS }))
  const outcomes = await Promise.allSettled(reads)
  return outcomes.filter((one) => one.status === 'rejected' || one.value === undefined).length
}
