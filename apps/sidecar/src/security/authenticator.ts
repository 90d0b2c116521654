import type { PeerCertificate } from 'node:tls'
import { refusal, type StatusError } from '../status-error.ts'
import type { Caller } from './caller.ts'
import { namesOf } from './certificate-names.ts'
import type { Identity } from './identity.ts'
import type { JwtVerifier } from './jwt-verifier.ts'
import { ANONYMOUS } from './principal.ts'
import { digestOf, type Tokens } from './tokens.ts'

/** Longer ones are not looked at. */
const TOKEN_LENGTH_MAX = 8192
const BEARER = /^bearer ([\x21-\x7e]+)$/i
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/

const ANYBODY: Identity = { principal: ANONYMOUS }
const OTHER_SIDECAR = Object.freeze({ name: 'peer', kind: 'peer' } as const)

/** What somebody may show to say who they are; what is absent isn't asked for. */
export interface AuthenticatorOptions {
  /** Whether callers have to show who they are. */
  readonly required: boolean
  readonly tokens: (() => Tokens) | undefined
  readonly jwts: Pick<JwtVerifier, 'verify'> | undefined
  /** Whether a client's certificate counts. */
  readonly certificates: boolean
  /** The tokens of other sidecars. */
  readonly peerTokens: (() => Tokens) | undefined
  /** Names in the certificates of other sidecars. */
  readonly peerNames: ReadonlySet<string>
  readonly nowMs?: () => number
}

/** Says who calls: by the token in `authorization` if there is one, else by the connection's certificate. */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #nowMs: () => number

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? Date.now
  }

  /** @throws StatusError UNAUTHENTICATED; UNAVAILABLE when the keys of JWTs can't be had. */
  identify(caller: Caller): Identity | Promise<Identity> {
    const { required, tokens, jwts, peerTokens, certificates } = this.#options
    const takesTokens = tokens !== undefined || jwts !== undefined || peerTokens !== undefined
    const authorization = takesTokens ? caller.authorization : undefined
    if (authorization !== undefined) return this.#byToken(authorization)
    const certificate = certificates ? caller.certificate : undefined
    if (certificate) return this.#byCertificate(certificate)
    if (required) throw unauthenticated('This sidecar has to know who calls')
    return ANYBODY
  }

  /** @throws StatusError UNAUTHENTICATED when what was shown is good no longer. */
  checkStill(identity: Identity): void {
    const { expiresMs, proof, foundIn, principal } = identity
    if (expiresMs !== undefined && this.#nowMs() >= expiresMs) {
      throw unauthenticated('What this stream was opened with has expired')
    }
    if (proof === undefined || foundIn === this.#tokens || foundIn === this.#peerTokens) return
    const now = this.#byDigest(Buffer.from(proof, 'hex'))
    const same = now?.principal.name === principal.name && now.expiresMs === expiresMs
    if (!same) throw unauthenticated('The token of this stream is valid no longer')
    identity.foundIn = now.foundIn
  }

  get #tokens(): Tokens | undefined {
    return this.#options.tokens?.()
  }

  get #peerTokens(): Tokens | undefined {
    return this.#options.peerTokens?.()
  }

  #byToken(authorization: string): Identity | Promise<Identity> {
    const token = authorization.length <= TOKEN_LENGTH_MAX ? BEARER.exec(authorization)?.[1] : undefined
    if (token === undefined) throw unauthenticated('`authorization` must be `Bearer` and one token')
    const known = this.#byDigest(digestOf(token))
    if (known) return known
    if (this.#options.jwts && JWT.test(token)) return this.#options.jwts.verify(token)
    throw unauthenticated("The token isn't known here, or not any more")
  }

  #byDigest(digest: Buffer): Identity | undefined {
    const proof = digest.toString('hex')
    if (this.#peerTokens?.find(digest)) {
      return { principal: OTHER_SIDECAR, proof, foundIn: this.#peerTokens }
    }
    const known = this.#tokens?.find(digest)
    if (!known || (known.expiresMs !== undefined && this.#nowMs() >= known.expiresMs)) return undefined
    const { name, expiresMs } = known
    return { principal: Object.freeze({ name, kind: 'token' }), expiresMs, proof, foundIn: this.#tokens }
  }

  #byCertificate(certificate: PeerCertificate): Identity {
    const names = namesOf(certificate)
    const peer = names.find((name) => this.#options.peerNames.has(name))
    // A connection may outlive it.
    const expiresMs = Date.parse(certificate.valid_to)
    if (peer !== undefined) return { principal: Object.freeze({ name: peer, kind: 'peer' }), expiresMs }
    const [name] = names
    if (name === undefined) {
      throw unauthenticated('The certificate names nobody: it needs a common name, a DNS name or a URI')
    }
    return { principal: Object.freeze({ name, kind: 'certificate' }), expiresMs }
  }
}

function unauthenticated(why: string): StatusError {
  return refusal(
    'UNAUTHENTICATED',
    `${why}. Send a valid token, as \`authorization: Bearer TOKEN\`, or show a client certificate where those count.`,
  )
}
