import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { Authority, type CertificateRequest } from '@perigee/certificates'
import { LocalCluster } from '@perigee/local-cluster'
import { CacheService, ClusterService, PeerService } from '@perigee/protocol'
import { Perigee } from '@perigee/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { AnyCaller } from './any-caller.ts'

const POLICY = {
  principals: {
    operator: [{ namespaces: ['*'], actions: ['read', 'write', 'admin'] }],
    shop: [{ namespaces: ['shop'], actions: ['read'] }],
  },
}

let cluster: LocalCluster
let dir: string
let ca: string

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'perigee-certified-'))
  const policy = join(dir, 'policy.json')
  writeFileSync(policy, JSON.stringify(POLICY))
  cluster = await LocalCluster.start({
    ...{ regions: ['us-east-1', 'eu-west-1'], distances: 'none', sentinel: false, tls: true },
    sidecarEnv: { PERIGEE_POLICY_FILE: policy },
  })
  ca = readFileSync(cluster.state().tls?.ca ?? '', 'utf8')
})
afterAll(async () => {
  await cluster?.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** A caller with a certificate of the cluster's CA. */
async function holder(request: Partial<CertificateRequest> & { name: string }, place: 0 | 1 = 0) {
  const authority = await Authority.of({
    cert: ca,
    key: readFileSync(join(cluster.dir, 'certs/ca-key.pem'), 'utf8'),
  })
  const { cert, key } = await authority.issue({ use: 'client', ...request })
  const secure = credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert))
  return new AnyCaller(cluster.state().regions[place]?.grpc ?? '', secure)
}

const set = { namespace: 'shop', key: 'k', value: Buffer.from('1') }

describe('a certificate', () => {
  it('says who its holder is, by its common name, and the policy what they may', async () => {
    using operator = await holder({ name: 'operator' }, 1)
    await waitFor('a write, by another region’s sidecar, which is known by its certificate', async () => {
      return (await operator.call(CacheService.method.set, set, undefined)).status === 'OK'
    })
    using shop = await holder({ name: 'shop' }, 1)
    const get = { namespace: 'shop', key: 'k', options: { consistency: 3 } }
    expect(await shop.call(CacheService.method.get, get, undefined)).toMatchObject({ status: 'OK' })
    expect(await shop.call(CacheService.method.set, set, undefined)).toMatchObject({ reason: 'NOT_ALLOWED' })
    const other = { ...get, namespace: 'other' }
    expect(await shop.call(CacheService.method.get, other, undefined)).toMatchObject({
      reason: 'NOT_ALLOWED',
    })
  })

  it('gives nothing to who isn’t in the policy, whatever other names it has', async () => {
    using nobody = await holder({ name: 'nobody', names: ['operator', 'shop'] })
    expect(await nobody.call(CacheService.method.get, set, undefined)).toMatchObject({
      reason: 'NOT_ALLOWED',
    })
    expect(await nobody.call(ClusterService.method.getStatus, {}, undefined)).toMatchObject({ status: 'OK' })
  })

  it('is a sidecar’s by a name of the regions’ sidecars alone', async () => {
    using operator = await holder({ name: 'operator' })
    const asked = (caller: AnyCaller) => caller.call(PeerService.method.getRegion, {}, undefined)
    expect(await asked(operator)).toMatchObject({ status: 'PERMISSION_DENIED', reason: 'NOT_ALLOWED' })
    using almost = await holder({ name: 'x', names: ['api.us-east-1.rag.internal.example', 'localhost'] })
    expect(await asked(almost)).toMatchObject({ status: 'PERMISSION_DENIED' })
    using sidecar = await holder({ name: 'x', names: ['api.eu-west-1.rag.internal'] })
    expect(await asked(sidecar)).toMatchObject({ status: 'OK' })
  })
})

it('tokens do without certificates of clients: over TLS, in every region, also among sidecars', async () => {
  const own = mkdtempSync(join(tmpdir(), 'perigee-tokens-by-tls-'))
  const [tokens, peer] = [join(own, 'tokens'), join(own, 'peer')]
  const token = `pgt_${randomBytes(32).toString('base64url')}`
  writeFileSync(tokens, `shop sha256:${createHash('sha256').update(token).digest('hex')}\n`)
  writeFileSync(peer, `${randomBytes(32).toString('base64url')}\n`)
  const dir = join(own, 'cluster')
  await using cleared = new AsyncDisposableStack()
  cleared.defer(() => rmSync(own, { recursive: true, force: true }))
  const tokenCluster = await LocalCluster.start({
    ...{ regions: ['us-east-1', 'eu-west-1'], distances: 'none', sentinel: false, tls: true, dir },
    sidecarEnv: {
      PERIGEE_TLS_CLIENT_CA: '',
      PERIGEE_PEER_CA: join(dir, 'certs/ca.pem'),
      PERIGEE_TOKENS_FILE: tokens,
      PERIGEE_PEER_TOKEN_FILE: peer,
    },
  })
  cleared.defer(() => tokenCluster.stop())
  const { domain, regions, tls } = tokenCluster.state()
  const connect = (shown: { token?: string }) =>
    Perigee.connect({
      ...{ domain, regions: regions.map(({ name }) => name), region: 'eu-west-1', ...shown },
      ...{ dns: regions[1]?.dns, tls: { ca: tls?.ca } },
    })
  await using perigee = await connect({ token })
  const cache = perigee.session().cache('shop')
  await waitFor('a write through the other region', () => cache.set('k', 'v').then(() => true))
  expect(await cache.get('k')).toBe('v')
  await using nobody = await connect({})
  await expect(nobody.cache('shop').get('k')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})
