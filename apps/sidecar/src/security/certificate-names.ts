import type { PeerCertificate } from 'node:tls'
import { isPrincipalName } from './principal.ts'

/** The names in a certificate: its subject's common name, then the DNS names and URIs that it is for. */
export function namesOf(certificate: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): readonly string[] {
  const { CN } = certificate.subject ?? {}
  const common = (Array.isArray(CN) ? CN : [CN]).filter(isPrincipalName)
  return [...new Set([...common, ...alternativeNames(certificate.subjectaltname)])]
}

/** The DNS names and URIs of Node's `DNS:a, URI:b, IP Address:c`, in which names with odd characters stand as JSON. */
export function alternativeNames(text: string | undefined): string[] {
  const names: string[] = []
  for (const [, name] of (text ?? '').matchAll(/(?:^|, )(?:DNS|URI):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const plain = name?.startsWith('"') ? (JSON.parse(name) as unknown) : name
    if (isPrincipalName(plain)) names.push(plain)
  }
  return names
}
