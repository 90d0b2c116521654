import { z } from 'zod'

const file = z.string().min(1).optional()
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
)

/** Those with a public key: whoever can check a signature by it can't make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

/** The settings of authentication and authorisation, without `PERIGEE_`. */
export const AUTH_SETTINGS = {
  TOKENS_FILE: file,
  JWKS: z
    .string()
    .refine((text) => !/^[a-z]+:/i.test(text) || isSafeUrl(text), 'must be an https:// URL or a file')
    .optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: z.string().min(1).optional(),
  JWT_ALGORITHMS: list.pipe(z.array(z.enum(ALGORITHMS)).min(1)).default(['RS256', 'ES256', 'EdDSA']),
  JWT_PRINCIPAL: z.string().min(1).default('sub'),
  POLICY_FILE: file,
  PEER_TOKEN_FILE: file,
  PEER_NAMES: list.optional(),
  INSECURE: z.enum(['true', 'false'], 'must be true or false').default('false'),
  REFLECTION: z.enum(['on', 'off', 'auth']).optional(),
  HTTP_AUTH: z.enum(['on', 'off']).optional(),
} as const

/** How JWTs are checked. */
export interface JwtConfig {
  /** An https:// URL, or a file. */
  readonly jwks: string
  readonly issuer: string
  readonly audience: string
  readonly algorithms: readonly string[]
  /** The claim that holds the principal's name. */
  readonly principalClaim: string
}

/** Who is asked who they are, and how. */
export interface AuthConfig {
  /** Whether callers have to show who they are; if not, everybody may do everything. */
  readonly required: boolean
  readonly tokensFile: string | undefined
  readonly jwt: JwtConfig | undefined
  /** Whether a client's certificate says who it is. */
  readonly certificates: boolean
  /** None: whoever is known may do everything. */
  readonly policyFile: string | undefined
  readonly peerTokenFile: string | undefined
  /** Names in certificates of other sidecars. `undefined`: the own certificate's, and `api.<region>.<domain>`. */
  readonly peerNames: readonly string[] | undefined
  /** Who may see what the server can do by reflection. */
  readonly reflection: 'on' | 'off' | 'auth'
  /** Whether metrics and status are for known callers alone. */
  readonly httpAuth: boolean
}

/** What the rest of the configuration means for it. */
interface Surroundings {
  /** Whether TLS is spoken, and client certificates are demanded. */
  readonly tls: { readonly server?: { readonly ca?: string | undefined } | undefined }
  /** Whether there are other sidecars. */
  readonly hasPeers: boolean
  /** `host:port`s. */
  readonly listens: Readonly<Record<string, string>>
}

/** Reads the settings of authentication and authorisation. */
export function authConfigOf(
  s: z.infer<z.ZodObject<typeof AUTH_SETTINGS>>,
  { tls, hasPeers, listens }: Surroundings,
  problems: string[],
): AuthConfig {
  const certificates = tls.server?.ca !== undefined
  const jwt = jwtConfigOf(s, problems)
  const required = s.TOKENS_FILE !== undefined || s.JWKS !== undefined || certificates
  const needs = 'PERIGEE_TOKENS_FILE, PERIGEE_JWKS or PERIGEE_TLS_CLIENT_CA: without them nobody is known'
  if (!required) {
    if (s.POLICY_FILE !== undefined) problems.push(`PERIGEE_POLICY_FILE needs ${needs}`)
    if (s.REFLECTION === 'auth') problems.push(`PERIGEE_REFLECTION=auth needs ${needs}`)
    if (s.HTTP_AUTH === 'on') problems.push(`PERIGEE_HTTP_AUTH=on needs ${needs}`)
  }
  if (required && hasPeers && !certificates && s.PEER_TOKEN_FILE === undefined) {
    problems.push(
      'PERIGEE_PEER_TOKEN_FILE is required when callers have to show who they are: other sidecars too ' +
        '(or PERIGEE_TLS_CLIENT_CA, and they show certificates)',
    )
  }
  if (s.PEER_NAMES !== undefined && !certificates) {
    problems.push('PERIGEE_PEER_NAMES needs PERIGEE_TLS_CLIENT_CA: without it no certificates are looked at')
  }
  if (s.INSECURE === 'false') checkExposure(listens, { hasTls: tls.server !== undefined, required }, problems)
  return Object.freeze({
    required,
    tokensFile: s.TOKENS_FILE,
    jwt,
    certificates,
    policyFile: s.POLICY_FILE,
    peerTokenFile: s.PEER_TOKEN_FILE,
    peerNames: s.PEER_NAMES,
    reflection: s.REFLECTION ?? (required ? 'auth' : 'on'),
    httpAuth: required && s.HTTP_AUTH !== 'off',
  })
}

function jwtConfigOf(
  s: z.infer<z.ZodObject<typeof AUTH_SETTINGS>>,
  problems: string[],
): JwtConfig | undefined {
  const { JWKS, JWT_ISSUER, JWT_AUDIENCE } = s
  for (const name of ['JWT_ISSUER', 'JWT_AUDIENCE'] as const) {
    if (JWKS !== undefined && s[name] === undefined) {
      problems.push(`PERIGEE_${name} is required by PERIGEE_JWKS: what is made for others is refused`)
    }
    if (JWKS === undefined && s[name] !== undefined) problems.push(`PERIGEE_${name} needs PERIGEE_JWKS`)
  }
  if (JWKS === undefined || JWT_ISSUER === undefined || JWT_AUDIENCE === undefined) return undefined
  return Object.freeze({
    jwks: JWKS,
    issuer: JWT_ISSUER,
    audience: JWT_AUDIENCE,
    algorithms: s.JWT_ALGORITHMS,
    principalClaim: s.JWT_PRINCIPAL,
  })
}

/** What listens where others can reach it has TLS, and asks who they are. */
function checkExposure(
  listens: Surroundings['listens'],
  { hasTls, required }: { hasTls: boolean; required: boolean },
  problems: string[],
): void {
  if (hasTls && required) return
  const missing = [
    ...(hasTls ? [] : ['TLS (PERIGEE_TLS_CERT and PERIGEE_TLS_KEY)']),
    ...(required ? [] : ['authentication (PERIGEE_TOKENS_FILE, PERIGEE_JWKS or PERIGEE_TLS_CLIENT_CA)']),
  ].join(' and without ')
  for (const [name, listen] of Object.entries(listens)) {
    if (isLoopback(listen)) continue
    problems.push(
      `PERIGEE_${name} is ${listen}, which others can reach, without ${missing}: set these, listen on 127.0.0.1, ` +
        'or say --insecure (PERIGEE_INSECURE=true) for a trial in a network where everybody may read and write everything',
    )
  }
}

function isLoopback(listen: string): boolean {
  const host = listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  return /^127(\.\d{1,3}){3}$/.test(host) || host === '::1' || host === 'localhost'
}

function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, host } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(`${host.replace(/:\d+$/, '')}:0`))
}
