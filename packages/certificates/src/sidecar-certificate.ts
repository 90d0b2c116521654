import type { CertificateRequest } from './authority.ts'

/**
 * What the certificate of a region's sidecars is to say: the name by which clients look for them, `api.<region>.<domain>`; the
 * name that all sidecars of the cluster share, by which they know each other, `sidecar.<domain>`; and whatever else they
 * are called by.
 */
export function sidecarCertificate(options: {
  readonly region: string
  readonly domain: string
  /** Further DNS names and IP addresses. */
  readonly also?: readonly string[]
}): CertificateRequest {
  const { region, domain, also = [] } = options
  const name = `api.${region}.${domain}`
  return { name, names: [...new Set([name, `sidecar.${domain}`, ...also])], use: 'server' }
}
