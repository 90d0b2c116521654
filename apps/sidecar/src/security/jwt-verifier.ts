import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import type { Logger } from 'pino'
import { refusal, StatusError } from '../status-error.ts'
import type { JwtConfig } from './auth-config.ts'
import type { Identity } from './identity.ts'
import { isPrincipalName } from './principal.ts'
import { UnreadableFile, WatchedFile } from './watched-file.ts'

/** How far the clocks of whoever makes JWTs and of this host may be apart. */
const CLOCK_TOLERANCE_S = 5
/** How old keys of a URL get; one that nobody has heard of is looked for sooner. */
const KEYS_AGE_MS = 300_000
const KEYS_COOLDOWN_MS = 10_000
const KEYS_TIMEOUT_MS = 3000

/** Checks JWTs: signed by a key of the set, by one of the given algorithms, from the issuer, for this audience, and still good. */
export class JwtVerifier {
  readonly #config: JwtConfig
  readonly #file: WatchedFile<JWTVerifyGetKey> | undefined
  readonly #remote: JWTVerifyGetKey | undefined

  /** @throws UnreadableFile */
  constructor(config: JwtConfig, log: Logger) {
    this.#config = config
    if (/^https?:/i.test(config.jwks)) {
      this.#remote = createRemoteJWKSet(new URL(config.jwks), {
        cacheMaxAge: KEYS_AGE_MS,
        cooldownDuration: KEYS_COOLDOWN_MS,
        timeoutDuration: KEYS_TIMEOUT_MS,
      })
    } else {
      this.#file = new WatchedFile({ path: config.jwks, setting: 'PERIGEE_JWKS', parse: parseKeys, log })
    }
  }

  start(): void {
    this.#file?.start()
  }

  stop(): void {
    this.#file?.stop()
  }

  /** @throws StatusError UNAUTHENTICATED; UNAVAILABLE when the keys can't be had. */
  async verify(token: string): Promise<Identity> {
    const { issuer, audience, algorithms, principalClaim } = this.#config
    let payload: JWTPayload
    try {
      const keys = (this.#file?.value ?? this.#remote) as JWTVerifyGetKey
      const options = { issuer, audience, algorithms: [...algorithms], clockTolerance: CLOCK_TOLERANCE_S }
      const verified = await jwtVerify(token, keys, { ...options, requiredClaims: ['exp', principalClaim] })
      payload = verified.payload
    } catch (error) {
      throw refused(error)
    }
    const name = payload[principalClaim]
    if (!isPrincipalName(name)) {
      throw refusal('UNAUTHENTICATED', `The JWT's ${principalClaim} is no name of 1 to 256 characters.`)
    }
    const expiresMs = ((payload.exp as number) + CLOCK_TOLERANCE_S) * 1000
    return { principal: Object.freeze({ name, kind: 'jwt' }), expiresMs }
  }
}

/** @throws UnreadableFile */
function parseKeys(text: string): JWTVerifyGetKey {
  try {
    return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)
  } catch {
    throw new UnreadableFile('must be a JSON Web Key Set: {"keys": […]}')
  }
}

const WHY: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'The JWT has expired; get a new one.',
  ERR_JWKS_NO_MATCHING_KEY:
    "The JWT is signed by a key that isn't known here, or not any more; get a new one.",
  ERR_JOSE_ALG_NOT_ALLOWED: 'The JWT is signed by an algorithm that is not allowed here.',
}

function refused(error: unknown): StatusError {
  const unavailable =
    !(error instanceof errors.JOSEError) ||
    error instanceof errors.JWKSTimeout ||
    error.code === 'ERR_JOSE_GENERIC' ||
    error.code === 'ERR_JWKS_INVALID'
  if (unavailable) {
    return new StatusError(
      'UNAVAILABLE',
      "The keys of the JWTs' issuer can't be had just now; try again shortly.",
      {},
      { cause: error },
    )
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refusal('UNAUTHENTICATED', `The JWT's claim ${error.claim} isn't as it has to be here.`)
  }
  const why = WHY[error.code] ?? 'The token in `authorization` is not valid.'
  return refusal('UNAUTHENTICATED', why)
}
