import type { LocalCluster } from '@perigee/local-cluster'
import { waitFor } from '../support/wait-for.ts'
import type { DataReading, IndexReading, Stores } from './stores.ts'

const WITHIN_MS = 60_000

/** Waits until every region stands where the primary does; gives what doesn't come to rest, in words. */
export async function restOf(
  cluster: LocalCluster,
  stores: Stores,
  regions: readonly string[],
): Promise<string[]> {
  let unrest: string[] = ['nothing could be read']
  const level = async () => {
    const data = new Map<string, DataReading>()
    const indexes = new Map<string, IndexReading>()
    for (const region of regions) {
      data.set(region, await stores.data(region))
      indexes.set(region, await stores.index(region))
    }
    unrest = unrestOf(cluster.state().primary, data, indexes)
    return unrest.length === 0
  }
  return waitFor('all regions to be level', level, { timeoutMs: WITHIN_MS, everyMs: 100 }).then(
    () => [],
    (error: Error) => [...unrest, ...(error.cause ? [String(error.cause)] : [])],
  )
}

function unrestOf(
  primary: string,
  data: ReadonlyMap<string, DataReading>,
  indexes: ReadonlyMap<string, IndexReading>,
): string[] {
  const at = data.get(primary)
  if (!at) return [`there is no data Redis in ${primary}`]
  const unrest: string[] = []
  for (const [region, { clock }] of data) {
    if (clock !== at.clock)
      unrest.push(`The data Redis of ${region} is at ${clock}, that of ${primary} at ${at.clock}.`)
  }
  for (const [region, { log, applied, seen, incomplete }] of indexes) {
    if (incomplete || log !== at.log || applied !== seen) {
      const state = incomplete ? 'is incomplete' : `has applied ${applied} and seen ${seen}`
      unrest.push(
        `The index of ${region} ${state}, with the log at ${log}; the log of ${primary} is at ${at.log}.`,
      )
    }
  }
  return unrest
}
