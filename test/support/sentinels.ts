import type { LocalCluster } from '@perigee/local-cluster'

/**
 * Whether every Sentinel knows all others and all replicas, holds the master for well, and takes no replica for a master any more. One that asked a demoted Redis too
 * early asks again only after ten seconds; promoted before that, it is made a replica again by that Sentinel.
 */
export async function sentinelsKnowAll(cluster: LocalCluster): Promise<boolean> {
  const others = cluster.layout.regions.length - 1
  const field = (row: string[], name: string) => row[row.indexOf(name) + 1]
  const checks = cluster.layout.regions.map(async (region) => {
    const sentinel = cluster.sentinel(region)
    const master = (await sentinel.command('SENTINEL', 'MASTER', 'pg')) as string[]
    const replicas = (await sentinel.command('SENTINEL', 'REPLICAS', 'pg')) as string[][]
    return (
      field(master, 'num-other-sentinels') === String(others) &&
      field(master, 'num-slaves') === String(others) &&
      field(master, 'flags') === 'master' &&
      replicas.every((row) => field(row, 'role-reported') === 'slave')
    )
  })
  return (await Promise.all(checks)).every((known) => known)
}
