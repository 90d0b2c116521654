import { join } from 'node:path'
import type { CertificatePaths } from '@perigee/certificates'
import { type Layout, sidecarsMax } from './layout.ts'

/** Where the certificates of a cluster with TLS are. */
export interface ClusterCertificates {
  /** Of the CA that all others are by. */
  readonly ca: string
  /** By region: what its sidecars show. */
  readonly regions: ReadonlyMap<string, CertificatePaths>
  /** What clients may show. */
  readonly client: CertificatePaths
}

/** Makes what is missing in the folder `certs` of a cluster's folder. */
export async function makeCertificates(
  dir: string,
  { layout, domain }: { readonly layout: Layout; readonly domain: string },
): Promise<ClusterCertificates> {
  // Here, since most clusters have no TLS.
  const { CertificateFolder, sidecarCertificate } = await import('@perigee/certificates')
  const folder = await CertificateFolder.open(join(dir, 'certs'), {
    authorityName: `Perigee CA of ${domain}`,
  })
  const regions = new Map<string, CertificatePaths>()
  for (const region of layout.regions) {
    const request = sidecarCertificate({ region, domain, also: hostsOf(layout, region) })
    regions.set(region, await folder.certificate(region, request))
  }
  const client = await folder.certificate('client-local', { name: 'local', names: ['local'], use: 'client' })
  return { ca: folder.ca, regions, client }
}

/** All hosts at which a region's sidecars are met: their own, and the relays to them in other regions. */
function hostsOf(layout: Layout, region: string): string[] {
  return Array.from({ length: sidecarsMax }, (_, index) =>
    layout.regions.map((from) => layout.grpcSeenFrom(from, region, index).host),
  ).flat()
}
