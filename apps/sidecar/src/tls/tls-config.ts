import { z } from 'zod'

/** A key that stands where its path belongs would be shown with the settings, and in errors. */
const file = z
  .string()
  .refine((text) => !/-----BEGIN |\n/.test(text), 'must be the path of a PEM file, not what is in it')
  .optional()

/** The settings of TLS, without `PERIGEE_`: paths of PEM files. */
export const TLS_SETTINGS = {
  TLS_CERT: file,
  TLS_KEY: file,
  TLS_CLIENT_CA: file,
  PEER_CA: file,
  REDIS_CA: file,
  REDIS_CERT: file,
  REDIS_KEY: file,
} as const

/** PEM files: a certificate with its key, and whom to trust. */
export interface TlsPaths {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Of the CAs to trust. */
  readonly ca?: string | undefined
}

/** Where TLS is spoken, and with what. */
export interface TlsConfig {
  /** What the sidecar shows to callers, and the CA of their certificates, which are demanded then; none: no TLS. */
  readonly server: TlsPaths | undefined
  /** What it shows to other sidecars, and the CA of theirs, or the system's; none: they are called without TLS. */
  readonly peers: TlsPaths | undefined
  /** For `rediss://` URLs. */
  readonly redis: TlsPaths
}

/** Reads the settings of TLS. */
export function tlsConfigOf(s: z.infer<z.ZodObject<typeof TLS_SETTINGS>>, problems: string[]): TlsConfig {
  for (const [cert, key] of [
    ['TLS_CERT', 'TLS_KEY'],
    ['REDIS_CERT', 'REDIS_KEY'],
  ] as const) {
    if (s[cert] !== undefined && s[key] === undefined)
      problems.push(`PERIGEE_${key} is required by PERIGEE_${cert}`)
    if (s[key] !== undefined && s[cert] === undefined)
      problems.push(`PERIGEE_${cert} is required by PERIGEE_${key}`)
  }
  for (const name of ['TLS_CLIENT_CA', 'PEER_CA'] as const) {
    if (s[name] !== undefined && s.TLS_CERT === undefined) {
      problems.push(
        `PERIGEE_${name} needs PERIGEE_TLS_CERT and PERIGEE_TLS_KEY: without them there is no TLS`,
      )
    }
  }
  const shown = { cert: s.TLS_CERT, key: s.TLS_KEY }
  const hasTls = s.TLS_CERT !== undefined
  return Object.freeze({
    server: hasTls ? { ...shown, ca: s.TLS_CLIENT_CA } : undefined,
    peers: hasTls ? { ...shown, ca: s.PEER_CA ?? s.TLS_CLIENT_CA } : undefined,
    redis: { cert: s.REDIS_CERT, key: s.REDIS_KEY, ca: s.REDIS_CA },
  })
}
