import { createHash } from 'node:crypto'
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CacheService, ClusterService, Health, PeerService } from '@perigee/protocol'
import { Perigee, PerigeeError } from '@perigee/sdk'
import { exportSPKI, type JWTPayload, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { perigee } from '../cli/run-perigee.ts'
import { MultiplexClient } from '../support/multiplex-client.ts'
import { waitFor } from '../support/wait-for.ts'
import { GuardedRegions, newKey, signed } from './guarded-regions.ts'

let regions: GuardedRegions
const GET = { namespace: 'shop', key: 'k' }
const A_GET = { request: { case: 'get', value: GET } } as never
const REFUSED = { status: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED' }

beforeAll(async () => {
  regions = await GuardedRegions.start()
})
afterAll(() => regions?.[Symbol.asyncDispose]())

/** How a Get ends in each region, and a stream of either kind. */
async function outcomesOf(authorization: string | undefined) {
  const { us, eu } = regions
  const status = ClusterService.method.watchStatus
  const token = authorization?.replace(/^Bearer /, '')
  using stream = new MultiplexClient(regions.grpc(1), {}, token)
  const framed = stream.call(A_GET).then(
    () => ({ status: 'OK' }),
    (error) => error as { status: string },
  )
  const outcomes = [
    us.call(CacheService.method.get, GET, authorization),
    eu.call(CacheService.method.get, GET, authorization),
    eu.call(status, {}, authorization),
    Promise.race([framed, stream.ended]),
  ]
  return (await Promise.all(outcomes)).map((outcome) => outcome.status)
}

const NOBODY = Array(4).fill('UNAUTHENTICATED')
const LET_IN = Array(4).fill('OK')

describe('whoever calls', () => {
  it('is let in with a known token, whatever its region, and its writes and primary reads too', async () => {
    expect(await outcomesOf(regions.bearer('operator'))).toEqual(LET_IN)
    const operator = regions.bearer('operator')
    const written = await regions.eu.call(
      CacheService.method.set,
      { ...GET, value: Buffer.from('1') },
      operator,
    )
    expect(written).toMatchObject({ status: 'OK' })
    const read = await regions.eu.call(
      CacheService.method.get,
      { ...GET, options: { consistency: 3 } },
      operator,
    )
    expect(read).toMatchObject({ status: 'OK', answer: { receipt: { region: 'us-east-1' } } })
  })

  it.each([
    ['nothing', () => undefined],
    ['another token', () => 'Bearer pgt_0000000000000000000000000000000000000000000'],
    ['the hash of a token instead of it', () => `Bearer ${sha256(regions.token('operator'))}`],
    ['a token that is almost right', () => `${regions.bearer('operator').slice(0, -1)}!`],
    ['no token after Bearer', () => 'Bearer '],
    ['more than 8 KiB', () => `Bearer ${'x'.repeat(9000)}`],
  ])('is refused with %s', async (_, authorization) => {
    expect(await outcomesOf(authorization())).toEqual(NOBODY)
  })

  it('is refused with another scheme, and with two tokens at once', async () => {
    const token = regions.token('operator')
    for (const authorization of [`Basic ${token}`, token, `Bearer ${token}, Bearer ${token}`]) {
      expect(await regions.us.call(CacheService.method.get, GET, authorization)).toMatchObject(REFUSED)
    }
  })

  it('is refused before the request is looked at', async () => {
    const outcome = await regions.us.call(CacheService.method.get, { namespace: 'NOT A NAME' }, undefined)
    expect(outcome).toMatchObject(REFUSED)
  })

  it('is refused with a token past its time, and one that was taken out of the file, at once and on what is open', async () => {
    regions.replaceToken('reader', new Date(Date.now() + 8000).toISOString())
    const reader = regions.bearer('reader')
    await waitFor('the new token', async () => (await outcomesOf(reader))[1] === 'OK')
    using stream = new MultiplexClient(regions.grpc(1), {}, regions.token('reader'))
    await stream.call(A_GET)
    await waitFor('its end', async () => (await outcomesOf(reader)).every((s) => s === 'UNAUTHENTICATED'))
    await expect(stream.call(A_GET)).rejects.toMatchObject({
      status: 'UNAUTHENTICATED',
    })

    const removed = regions.replaceToken('reader')
    await waitFor('another token', async () => (await outcomesOf(`Bearer ${removed}`))[1] === 'OK')
    using open = new MultiplexClient(regions.grpc(1), {}, removed)
    await open.call(A_GET)
    regions.removeToken('reader')
    await waitFor('it to be forgotten', async () =>
      (await outcomesOf(`Bearer ${removed}`)).every((s) => s === 'UNAUTHENTICATED'),
    )
    const late = open.call(A_GET)
    await expect(late).rejects.toMatchObject({
      status: 'UNAUTHENTICATED',
      details: { reason: 'UNAUTHENTICATED' },
    })
    regions.replaceToken('reader')
  })

  it('is let in as before while the tokens file is broken, which changes nothing', async () => {
    writeFileSync(regions.files.tokens, 'operator not-a-hash\n')
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect(await outcomesOf(regions.bearer('operator'))).toEqual(LET_IN)
    regions.replaceToken('reader')
    await waitFor('the mended file', async () => (await outcomesOf(regions.bearer('reader')))[1] === 'OK')
  })
})

describe('a JWT', () => {
  it('lets its subject in', async () => {
    expect(await outcomesOf(`Bearer ${await regions.jwt()}`)).toEqual(LET_IN)
  })

  const past = Math.floor(Date.now() / 1000) - 60
  it.each<[string, JWTPayload]>([
    ['that has expired', { exp: past }],
    ['without an end', { exp: undefined as never }],
    ['that begins tomorrow', { nbf: past + 86_400 }],
    ['of another issuer', { iss: 'https://other.example' }],
    ['for another audience', { aud: 'other' }],
    ['for no audience', { aud: undefined as never }],
    ['of nobody', { sub: '' }],
    ['of somebody with a name for a terminal', { sub: 'a\u001b[2J' }],
  ])('%s is refused', async (_, claims) => {
    expect(await outcomesOf(`Bearer ${await regions.jwt(claims)}`)).toEqual(NOBODY)
  })

  it('without a signature, by the secret that everybody has, and by another key is refused', async () => {
    const part = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64url')
    const [, payload] = (await regions.jwt()).split('.')
    const none = `${part({ alg: 'none', typ: 'JWT' })}.${payload}.`
    const other = await newKey('first')
    const secret = new TextEncoder().encode(await exportSPKI((await newKey('x')).publicKey))
    const symmetric = await new SignJWT(JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()))
      .setProtectedHeader({ alg: 'HS256', kid: 'first' })
      .sign(secret)
    const changed = (await regions.jwt()).replace(payload ?? '', part({ sub: 'operator', exp: 9e9 }))
    for (const jwt of [none, symmetric, await signed(other), changed]) {
      expect(await outcomesOf(`Bearer ${jwt}`)).toEqual(NOBODY)
    }
  })

  it('by a key that was rotated away is refused, and one by the new key taken, without a restart', async () => {
    const old = await regions.jwt()
    expect(await outcomesOf(`Bearer ${old}`)).toEqual(LET_IN)
    await regions.rotateKey()
    const renewed = await regions.jwt()
    await waitFor('the new key', async () => (await outcomesOf(`Bearer ${renewed}`)).every((s) => s === 'OK'))
    expect(await outcomesOf(`Bearer ${old}`)).toEqual(NOBODY)
  })

  it('that runs out ends what it opened: calls of a stream are refused one by one, a watch ends', async () => {
    // Clocks may be five seconds apart.
    const soon = Math.floor(Date.now() / 1000)
    const jwt = await regions.jwt({ exp: soon })
    const watch = regions.us.end(ClusterService.method.watchStatus, {}, `Bearer ${jwt}`)
    using stream = new MultiplexClient(regions.grpc(0), {}, jwt)
    await stream.call(A_GET)
    const error = await waitFor('a refusal', () =>
      stream.call(A_GET).then(
        () => undefined,
        (thrown) => thrown as { status: string },
      ),
    )
    expect(error).toMatchObject({ status: 'UNAUTHENTICATED' })
    expect(await watch).toMatchObject(REFUSED)
  })
})

describe('the service between sidecars', () => {
  const asked = (authorization?: string) => regions.us.call(PeerService.method.getRegion, {}, authorization)

  it('is for other sidecars alone', async () => {
    expect(await asked()).toMatchObject(REFUSED)
    expect(await asked(regions.bearer('operator'))).toMatchObject({
      status: 'PERMISSION_DENIED',
      reason: 'NOT_ALLOWED',
    })
    expect(await asked(regions.peerBearer)).toMatchObject({ status: 'OK' })
  })

  it('refuses a sidecar with another token, which says so, reads on, and is taken back when its file is mended', async () => {
    const { cluster, eu } = regions
    const operator = regions.bearer('operator')
    const own = `${regions.files.peerToken}-of-eu`
    writeFileSync(own, `pgt_${'0'.repeat(43)}\n`)
    await cluster.stopProcess('eu-west-1', 'sidecar')
    await cluster.startProcess('eu-west-1', 'sidecar', { env: { PERIGEE_PEER_TOKEN_FILE: own } })
    const set = () => eu.call(CacheService.method.set, { ...GET, value: Buffer.from('1') }, operator)
    const refused = await waitFor('a refusal', async () => {
      const outcome = await set()
      return outcome.message.includes('PERIGEE_PEER_TOKEN_FILE') && outcome
    })
    expect(refused).toMatchObject({ status: 'UNAVAILABLE', reason: 'NO_PRIMARY' })
    expect(await eu.call(CacheService.method.get, GET, operator)).toMatchObject({ status: 'OK' })
    const log = readFileSync(join(cluster.dir, 'eu-west-1/sidecar.log'), 'utf8')
    expect(log).toContain("doesn't take this one for a sidecar")
    expect(log).not.toContain('pgt_')
    copyFileSync(regions.files.peerToken, own)
    await waitFor('it to be taken back', async () => (await set()).status === 'OK')
  })
})

describe('what says how a sidecar is', () => {
  it('tells probes whether it serves, and nobody else anything', async () => {
    expect(await regions.us.call(Health.method.check, {}, undefined)).toMatchObject({ status: 'OK' })
    expect(await regions.us.call(Health.method.watch, {}, undefined)).toMatchObject(REFUSED)
    expect(await regions.us.call(Health.method.watch, {}, regions.bearer('reader'))).toMatchObject({
      status: 'OK',
    })
  })

  it('gives metrics to those who may read everything, and status to those who are known', async () => {
    const ask = async (path: string, authorization?: string) => {
      const headers = authorization === undefined ? {} : { authorization }
      const response = await fetch(`http://${regions.http(0)}${path}`, { headers })
      await response.arrayBuffer()
      return response.status
    }
    const [operator, shop] = [regions.bearer('operator'), regions.bearer('shop')]
    const asked = [ask('/livez'), ask('/readyz'), ask('/metrics'), ask('/status.json')]
    expect(await Promise.all(asked)).toEqual([200, 200, 401, 401])
    expect(await Promise.all([ask('/metrics', shop), ask('/metrics', operator)])).toEqual([403, 200])
    const status = [ask('/status.json', 'Bearer x'), ask('/status.json', shop)]
    expect(await Promise.all(status)).toEqual([401, 200])
  })

  it('is off, or open, where that is configured', async () => {
    const { cluster, eu } = regions
    await cluster.stopProcess('eu-west-1', 'sidecar')
    const env = { PERIGEE_REFLECTION: 'off', PERIGEE_HTTP_AUTH: 'off' }
    await cluster.startProcess('eu-west-1', 'sidecar', { env })
    expect(await eu.reflects(regions.bearer('operator'))).toBe('UNIMPLEMENTED')
    expect((await fetch(`http://${regions.http(1)}/metrics`)).status).toBe(200)
    expect((await fetch(`http://${regions.http(1)}/status.json`)).status).toBe(200)
    expect(await eu.call(CacheService.method.get, GET, undefined)).toMatchObject(REFUSED)
    await cluster.stopProcess('eu-west-1', 'sidecar')
    await cluster.startProcess('eu-west-1', 'sidecar', {})
  })

  it('describes its services to those who are known', async () => {
    expect(await regions.us.reflects(undefined)).toBe('UNAUTHENTICATED')
    expect(await regions.us.reflects(regions.bearer('reader'))).toBe('OK')
  })
})

describe('the client', () => {
  const connect = (token?: string | (() => string | Promise<string>), transport?: 'auto' | 'unary') =>
    Perigee.connect({
      addresses: { 'us-east-1': regions.grpc(0), 'eu-west-1': regions.grpc(1) },
      region: 'eu-west-1',
      ...{ token, transport, defaultTimeoutMs: 5000 },
    })

  it.each(['auto', 'unary'] as const)('shows its token by %s calls', async (transport) => {
    await using client = await connect(regions.token('shop'), transport)
    const cache = client.session().cache('shop')
    await cache.set('by-client', { a: 1 })
    expect(await cache.get('by-client')).toEqual({ a: 1 })
    expect((await client.cluster.status()).regions).toHaveLength(2)
    // Watched by a stream that shows the token as well.
    await waitFor('health', async () => {
      const { endpoints } = await client.explain()
      return endpoints.length === 2 && endpoints.every(({ health }) => health.cache === 'serving')
    })
  })

  it.each(['auto', 'unary'] as const)(
    'asks for another token once when %s calls are refused, and no call fails',
    async (transport) => {
      const given: string[] = []
      await using client = await connect(() => {
        const token = given.length === 0 ? 'pgt_wrong' : regions.token('shop')
        given.push(token)
        return Promise.resolve(token)
      }, transport)
      const cache = client.cache('shop')
      await Promise.all(Array.from({ length: 20 }, (_, i) => cache.get(`k-${i}`)))
      await cache.set('renewed', 1)
      expect(given).toEqual(['pgt_wrong', regions.token('shop')])
    },
  )

  it.each(['auto', 'unary'] as const)(
    'fails at once with a wrong token by %s calls, and asks no other region',
    async (transport) => {
      for (const token of ['pgt_wrong', () => 'pgt_wrong', undefined]) {
        await using client = await connect(token, transport)
        const startedMs = performance.now()
        const error = await client
          .cache('shop')
          .get('k')
          .catch((thrown) => thrown)
        expect(error).toBeInstanceOf(PerigeeError)
        expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retryable: false })
        expect(performance.now() - startedMs).toBeLessThan(2000)
      }
    },
  )

  it('goes on with a new token when its own runs out under way', async () => {
    let made = 0
    await using client = await connect(async () => {
      made += 1
      // The first one is good for five seconds more, which clocks may be apart.
      return regions.jwt(made === 1 ? { exp: Math.floor(Date.now() / 1000) } : {})
    })
    const cache = client.cache('shop')
    const untilMs = performance.now() + 8000
    let gets = 0
    while (performance.now() < untilMs) {
      await cache.get('k')
      gets += 1
      if (gets % 50 === 0) await cache.set('k', gets)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(made).toBe(2)
  })
})

describe('the command', () => {
  it('makes a token, which its line lets in, and shows it', async () => {
    const made = await perigee(['token', 'shop', '-o', 'json'])
    const { token, line } = JSON.parse(made.stdout) as { token: string; line: string }
    expect(line).not.toContain(token)
    appendFileSync(regions.files.tokens, `${line}\n`)
    await waitFor('the line to count', async () => (await outcomesOf(`Bearer ${token}`))[1] === 'OK')
    const get = ['get', 'by-client', '--namespace', 'shop', '--address', regions.grpc(1)]
    const found = await perigee(get, { env: { PERIGEE_TOKEN: token } })
    expect(found).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('"a":1') })
    expect(await perigee([...get, '--token', token])).toMatchObject({ exitCode: 0 })
    const other = ['get', 'k', '--namespace', 'other', '--address', regions.grpc(1), '--token', token]
    expect(await perigee(other)).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('may not read'),
    })
    const nobody = await perigee(get)
    expect(nobody).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('PERIGEE_TOKEN') })
    const init = ['init', '--yes', '--address', regions.grpc(0), '--token']
    expect((await perigee([...init, token])).stderr).toContain('may not administer the whole cluster')
    expect((await perigee([...init, regions.token('operator')])).stderr).not.toContain('may not')
  })
})

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
