import type { LocalCluster } from '@perigee/local-cluster'

/** Lets a region's data Redis follow nobody, while the sidecars still reach each other; returns what lets it follow again. */
export async function stopFollowing(cluster: LocalCluster, region: string): Promise<() => Promise<void>> {
  const replica = cluster.dataRedis(region)
  const [, host = '', port = ''] = ((await replica.command('ROLE')) as string[]).map(String)
  await replica.command('REPLICAOF', '127.0.0.1', '1')
  return async () => {
    await replica.command('REPLICAOF', host, port)
  }
}
