import type { LocalCluster } from '@perigee/local-cluster'
import { type ConnectOptions, Perigee } from '@perigee/sdk'

/** An SDK client as a service in that region has it: by the region's own view of DNS. */
export async function clientIn(
  cluster: LocalCluster,
  region: string,
  options: Partial<ConnectOptions> = {},
): Promise<Perigee> {
  const { domain, regions } = cluster.state()
  const dns = regions.find(({ name }) => name === region)?.dns
  if (!dns) throw new Error(`there is no region ${region} in this cluster`)
  return Perigee.connect({ domain, regions: regions.map(({ name }) => name), region, dns, ...options })
}
