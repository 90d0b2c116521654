import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import pino from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { JwtVerifier } from './jwt-verifier.ts'

const log = pino({ level: 'silent' })
let server: Server
let jwks: { keys: JWK[] } | undefined
let asked = 0

beforeAll(async () => {
  server = createServer((_, response) => {
    asked += 1
    response.writeHead(jwks ? 200 : 500).end(JSON.stringify(jwks))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => server?.close())

function verifier(): JwtVerifier {
  const { port } = server.address() as AddressInfo
  const algorithms = ['ES256', 'EdDSA']
  const config = { issuer: 'i', audience: 'a', algorithms, principalClaim: 'team' }
  return new JwtVerifier({ ...config, jwks: `http://127.0.0.1:${port}/jwks` }, log)
}

async function key(kid: string, alg: string) {
  const { publicKey, privateKey } = await generateKeyPair(alg)
  const claims = {
    iss: 'i',
    aud: ['x', 'a'],
    sub: 'somebody',
    team: 'shop',
    exp: Math.floor(Date.now() / 1000) + 60,
  }
  return {
    public: { ...(await exportJWK(publicKey)), kid, alg },
    sign: (more = {}) =>
      new SignJWT({ ...claims, ...more }).setProtectedHeader({ alg, kid }).sign(privateKey),
  }
}

it('takes the keys of a URL, one that is new too, and asks for them once', async () => {
  const [first, second] = [await key('1', 'ES256'), await key('2', 'EdDSA')]
  jwks = { keys: [first.public, second.public] }
  const jwts = verifier()
  const identities = await Promise.all([jwts.verify(await first.sign()), jwts.verify(await second.sign())])
  for (const { principal, expiresMs = 0 } of identities) {
    expect(principal).toEqual({ name: 'shop', kind: 'jwt' })
    expect(expiresMs - Date.now()).toBeGreaterThan(55_000)
  }
  expect(asked).toBe(1)
})

it('refuses an algorithm that isn’t configured, a claim that is missing, and a key that nobody knows', async () => {
  const [rsa, good, unknown] = [await key('1', 'RS256'), await key('2', 'ES256'), await key('3', 'ES256')]
  jwks = { keys: [rsa.public, good.public] }
  const jwts = verifier()
  const refused = [
    await rsa.sign(),
    await good.sign({ team: undefined }),
    await good.sign({ team: 7 }),
    await unknown.sign(),
  ]
  for (const jwt of [...refused, 'a.b.c', `${await good.sign()}x`]) {
    await expect(jwts.verify(jwt)).rejects.toMatchObject({ status: 'UNAUTHENTICATED' })
  }
})

it('says that keys can’t be had just now, which isn’t the caller’s fault', async () => {
  const good = await key('1', 'ES256')
  jwks = undefined
  await expect(verifier().verify(await good.sign())).rejects.toMatchObject({ status: 'UNAVAILABLE' })
})
