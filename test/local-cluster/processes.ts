import { readFileSync } from 'node:fs'
import type { ClusterState } from '@perigee/local-cluster'

/** False for a process that is gone, or dead and not yet reaped. */
export function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** The ids of all processes that run in a cluster. */
export function pidsOf(state: ClusterState): number[] {
  return state.regions
    .flatMap(({ pids, sidecars }) => [...Object.values(pids), ...sidecars.map(({ pid }) => pid)])
    .filter((pid) => typeof pid === 'number')
    .filter((pid, i, all) => all.indexOf(pid) === i)
}
