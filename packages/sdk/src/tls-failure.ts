/** OpenSSL's words, and what they mean of the other side. */
const MEANINGS: readonly (readonly [words: RegExp, meaning: string])[] = [
  [
    /certificate required|handshake failure|bad certificate/,
    'it demands a client certificate: give tls.cert and tls.key',
  ],
  [
    /alert.*(unknown ca|certificate (expired|unknown|revoked|unsupported)|unsupported certificate)/,
    'it refuses the certificate in tls.cert: renew it, or have one from a CA that the sidecars trust',
  ],
  [
    /wrong version number|packet length too long|before secure TLS/,
    'it seems to speak no TLS: leave `tls` out, or set PERIGEE_TLS_CERT there',
  ],
]

const NOT_TRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Why TLS failed, and what to do. */
export function tlsFailure(error: NodeJS.ErrnoException & { readonly reason?: string }): string {
  const { message, code = '' } = error
  // Without the numbers and places in OpenSSL's source.
  const words = code.startsWith('ERR_SSL') ? (error.reason ?? message) : message
  if (NOT_TRUSTED.has(code))
    return `its certificate isn't of a CA that is trusted: give that CA as tls.ca (${words})`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is for other names: have this one in it, or give tls.serverName (${words})`
  if (code === 'CERT_HAS_EXPIRED') return `its certificate has run out: renew that (${words})`
  const meaning = MEANINGS.find(([known]) => known.test(words))?.[1]
  return meaning ? `${meaning} (${words})` : `TLS failed: ${words}`
}
