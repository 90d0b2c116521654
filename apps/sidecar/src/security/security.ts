import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { type Config, ConfigError } from '../config.ts'
import { type Access, OPEN_ACCESS } from './access.ts'
import { Authenticator } from './authenticator.ts'
import { alternativeNames } from './certificate-names.ts'
import { GuardedAccess } from './guarded-access.ts'
import { JwtVerifier } from './jwt-verifier.ts'
import { Policy } from './policy.ts'
import { type PeerTokens, parsePeerTokens, Tokens } from './tokens.ts'
import { UnreadableFile, WatchedFile } from './watched-file.ts'

/** Who is let in, as the configuration has it, and what this sidecar shows to the others. */
export class Security {
  readonly access: Access
  readonly #watched: readonly { start(): void; stop(): void }[]
  readonly #peerTokens: WatchedFile<PeerTokens> | undefined

  /** @throws ConfigError when a file can't be read, or says what can't be understood. */
  constructor(config: Config, log: Logger) {
    const { auth } = config
    try {
      const watch = <T>(setting: string, path: string | undefined, parse: (text: string) => T) =>
        path === undefined ? undefined : new WatchedFile({ path, setting, parse, log })
      const tokens = watch('PERIGEE_TOKENS_FILE', auth.tokensFile, Tokens.parse)
      const policy = watch('PERIGEE_POLICY_FILE', auth.policyFile, Policy.parse)
      const peerTokens = watch('PERIGEE_PEER_TOKEN_FILE', auth.peerTokenFile, parsePeerTokens)
      const jwts = auth.jwt && new JwtVerifier(auth.jwt, log)
      this.#peerTokens = peerTokens
      this.#watched = [tokens, policy, peerTokens, jwts].filter((part) => part !== undefined)
      if (!auth.required && !peerTokens) {
        this.access = OPEN_ACCESS
        return
      }
      const authenticator = new Authenticator({
        required: auth.required,
        tokens: tokens && (() => tokens.value),
        jwts,
        certificates: auth.certificates,
        peerTokens: peerTokens && (() => peerTokens.value.taken),
        peerNames: auth.certificates ? peerNamesOf(config) : new Set(),
      })
      const access = new GuardedAccess({
        authenticator,
        policy: policy && (() => policy.value),
      })
      for (const file of [tokens, policy, peerTokens]) file?.onChange(() => access.changed())
      this.access = access
      if (auth.required && !policy) {
        log.warn(
          'there is no PERIGEE_POLICY_FILE: whoever shows a valid token or certificate may do everything',
        )
      }
    } catch (error) {
      if (error instanceof UnreadableFile) throw new ConfigError(error.message)
      throw error
    }
  }

  /** What this sidecar shows to others by its calls, if it has a token for that. */
  get peerToken(): string | undefined {
    return this.#peerTokens?.value.shown
  }

  /** Begins to watch the files. */
  start(): void {
    for (const part of this.#watched) part.start()
  }

  stop(): void {
    for (const part of this.#watched) part.stop()
  }
}

/** The names in certificates of other sidecars: those that are configured, else the regions' and the own certificate's. */
function peerNamesOf({ auth, regions, domain, tls }: Config): ReadonlySet<string> {
  if (auth.peerNames) return new Set(auth.peerNames)
  const names = new Set(regions.map((region) => `api.${region}.${domain}`))
  const own = tls.server?.cert
  if (own !== undefined) {
    const { subjectAltName } = new X509Certificate(readFileSync(own))
    for (const name of alternativeNames(subjectAltName)) if (!isLoopbackName(name)) names.add(name)
  }
  return names
}

/** Every host's certificate may have it. */
function isLoopbackName(name: string): boolean {
  return name === 'localhost'
}
