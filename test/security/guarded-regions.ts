import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LocalCluster } from '@perigee/local-cluster'
import { CacheService } from '@perigee/protocol'
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { waitFor } from '../support/wait-for.ts'
import { AnyCaller } from './any-caller.ts'

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'perigee-test'

/** What each principal may do in these tests. */
export const POLICY = {
  principals: {
    operator: [{ namespaces: ['*'], actions: ['read', 'write', 'admin'] }],
    shop: [{ namespaces: ['shop', 'shop-*'], actions: ['read', 'write', 'admin'] }],
    other: [{ namespaces: ['shop', 'other'], actions: ['read', 'write', 'admin'] }],
    reader: [{ namespaces: ['shop'], actions: ['read'] }],
    writer: [{ namespaces: ['shop'], actions: ['write'] }],
    admin: [{ namespaces: ['shop'], actions: ['admin'] }],
  },
}

interface TokenLine {
  readonly token: string
  readonly expires?: string
}

type Grants = Readonly<Record<string, readonly { namespaces: string[]; actions: string[] }[]>>

/** A primary, `us-east-1`, and a replica, `eu-west-1`, that ask who calls: by tokens and JWTs, with a policy. */
export class GuardedRegions {
  readonly cluster: LocalCluster
  readonly us: AnyCaller
  readonly eu: AnyCaller
  readonly #dir: string
  readonly #tokens: Map<string, TokenLine>
  readonly #keys: SigningKey[]

  private constructor(
    cluster: LocalCluster,
    { dir, tokens, keys }: { dir: string; tokens: Map<string, TokenLine>; keys: SigningKey[] },
  ) {
    this.cluster = cluster
    this.#dir = dir
    this.#tokens = tokens
    this.#keys = keys
    const [us, eu] = cluster.state().regions.map(({ grpc }) => new AnyCaller(grpc)) as [AnyCaller, AnyCaller]
    this.us = us
    this.eu = eu
  }

  static async start(): Promise<GuardedRegions> {
    const dir = mkdtempSync(join(tmpdir(), 'perigee-guarded-'))
    const tokens = new Map(
      Object.keys(POLICY.principals).map((name): [string, TokenLine] => [name, { token: newToken() }]),
    )
    const keys = [await newKey('first')]
    const files = new Files(dir)
    files.writeTokens(tokens)
    files.writePolicy(POLICY.principals)
    await files.writeKeys(keys)
    writeFileSync(files.peerToken, `${newToken()}\n`)
    const cluster = await LocalCluster.start({
      ...{ regions: ['us-east-1', 'eu-west-1'], distances: 'none', sentinel: false },
      sidecarEnv: {
        PERIGEE_TOKENS_FILE: files.tokens,
        PERIGEE_POLICY_FILE: files.policy,
        PERIGEE_PEER_TOKEN_FILE: files.peerToken,
        PERIGEE_JWKS: files.keys,
        PERIGEE_JWT_ISSUER: ISSUER,
        PERIGEE_JWT_AUDIENCE: AUDIENCE,
      },
    })
    const regions = new GuardedRegions(cluster, { dir, tokens, keys })
    const operator = regions.bearer('operator')
    await waitFor('a first write', async () => {
      const { status } = await regions.eu.call(
        CacheService.method.set,
        { namespace: 'warm', key: 'up' },
        operator,
      )
      return status === 'OK'
    })
    await waitFor('it to arrive', async () => {
      const { answer } = await regions.eu.call(
        CacheService.method.get,
        { namespace: 'warm', key: 'up', options: { consistency: 1 } },
        operator,
      )
      return (answer as { entry?: object } | undefined)?.entry !== undefined
    })
    return regions
  }

  /** The address of a region's gRPC. */
  grpc(place: 0 | 1): string {
    return this.cluster.state().regions[place]?.grpc ?? ''
  }

  /** The address of a region's HTTP. */
  http(place: 0 | 1): string {
    return this.cluster.state().regions[place]?.http ?? ''
  }

  /** A principal's token. */
  token(name: string): string {
    const token = this.#tokens.get(name)?.token
    if (token === undefined) throw new Error(`${name} has no token`)
    return token
  }

  bearer(name: string): string {
    return `Bearer ${this.token(name)}`
  }

  /** What sidecars show each other. */
  get peerBearer(): string {
    return `Bearer ${readFileSync(this.files.peerToken, 'utf8').trim()}`
  }

  get files(): Files {
    return new Files(this.#dir)
  }

  /** Gives a principal another token instead of the one it has. @param expires a time; default: never. */
  replaceToken(name: string, expires?: string): string {
    const token = newToken()
    this.#tokens.set(name, { token, ...(expires !== undefined && { expires }) })
    this.files.writeTokens(this.#tokens)
    return token
  }

  removeToken(name: string): void {
    this.#tokens.delete(name)
    this.files.writeTokens(this.#tokens)
  }

  /** Signs by another key from now on, and has the former ones forgotten. */
  async rotateKey(): Promise<void> {
    this.#keys.splice(0, this.#keys.length, await newKey(`key-${Date.now()}`))
    await this.files.writeKeys(this.#keys)
  }

  /** A JWT by the key in use. */
  jwt(claims: JWTPayload = {}): Promise<string> {
    return signed(this.#keys[0] as SigningKey, claims)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.us[Symbol.dispose]()
    this.eu[Symbol.dispose]()
    await this.cluster.stop()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

export interface SigningKey extends GenerateKeyPairResult {
  readonly kid: string
}

export async function newKey(kid: string): Promise<SigningKey> {
  return { kid, ...(await generateKeyPair('ES256', { extractable: true })) }
}

/** A JWT for `operator` that is as it has to be, but for what the claims change. */
export function signed(key: SigningKey, claims: JWTPayload = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'operator', exp: now + 600, ...claims }
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: key.kid }).sign(key.privateKey)
}

function newToken(): string {
  return `pgt_${randomBytes(32).toString('base64url')}`
}

/** The files that the sidecars watch. */
class Files {
  readonly tokens: string
  readonly policy: string
  readonly peerToken: string
  readonly keys: string

  constructor(dir: string) {
    this.tokens = join(dir, 'tokens')
    this.policy = join(dir, 'policy.json')
    this.peerToken = join(dir, 'peer-token')
    this.keys = join(dir, 'jwks.json')
  }

  writeTokens(tokens: ReadonlyMap<string, TokenLine>): void {
    const lines = [...tokens].map(([name, { token, expires }]) => {
      const digest = createHash('sha256').update(token).digest('hex')
      return `${name} sha256:${digest}${expires === undefined ? '' : ` expires:${expires}`}`
    })
    writeFileSync(this.tokens, `# who may call\n\n${lines.join('\n')}\n`)
  }

  writePolicy(principals: Grants): void {
    writeFileSync(this.policy, JSON.stringify({ principals }))
  }

  async writeKeys(keys: readonly SigningKey[]): Promise<void> {
    const jwks = await Promise.all(
      keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg: 'ES256' })),
    )
    writeFileSync(this.keys, JSON.stringify({ keys: jwks }))
  }
}
