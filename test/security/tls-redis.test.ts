import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority, type Certificate } from '@perigee/certificates'
import { LocalCluster, loginUrl, userOf } from '@perigee/local-cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { RawClient } from '../support/clients.ts'
import { TlsRelay } from '../support/tls-relay.ts'
import { bytes, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const REGION = 'us-east-1'
const REDIS = { name: 'redis', names: ['127.0.0.1'], use: 'server' } as const
const SIDECAR = { name: 'sidecar', use: 'client' } as const

let cluster: LocalCluster
let client: RawClient
let dir: string
let relays: readonly TlsRelay[]

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'perigee-tls-redis-'))
  cluster = await LocalCluster.start({ regions: [REGION] })
  client = new RawClient(cluster.state().regions[0]?.grpc ?? '')
  const servers = (['dataRedis', 'indexRedis', 'sentinel'] as const).map(
    (name) => cluster[name](REGION).address,
  )
  await cluster.stopProcess(REGION, 'sidecar')
  const authority = await Authority.create({ name: 'first' })
  const shown = { ...(await authority.issue(REDIS)), ca: authority.cert }
  relays = await Promise.all(servers.map((server) => TlsRelay.start(addressOf(server), shown)))
  writeFiles(authority.cert, await authority.issue(SIDECAR))
  const [data = '', index = '', watch = ''] = relays.map(({ address }) => address)
  const secure = (user: 'sidecar' | 'control' | 'index', address: string) =>
    loginUrl(userOf(cluster.credentials, user), address).replace('redis:', 'rediss:')
  await cluster.startProcess(REGION, 'sidecar', {
    env: {
      PERIGEE_DATA_REDIS: secure('sidecar', data),
      PERIGEE_CONTROL_REDIS: secure('control', data),
      PERIGEE_INDEX_REDIS: secure('index', index),
      PERIGEE_SENTINELS: secure('control', watch),
      PERIGEE_LOCAL_ADDRESS: '127.0.0.1',
      PERIGEE_REDIS_CA: join(dir, 'ca.pem'),
      PERIGEE_REDIS_CERT: join(dir, 'cert.pem'),
      PERIGEE_REDIS_KEY: join(dir, 'key.pem'),
    },
  })
})

afterAll(async () => {
  client?.close()
  await cluster?.stop()
  for (const relay of relays ?? []) relay[Symbol.dispose]()
  rmSync(dir, { recursive: true, force: true })
})

const addressOf = ({ host, port }: { readonly host: string; readonly port: number }) => `${host}:${port}`

function writeFiles(ca: string, { cert, key }: Certificate): void {
  for (const [name, pem] of Object.entries({ ca, cert, key })) writeFileSync(join(dir, `${name}.pem`), pem)
}

/** Writes, reads and searches, each as soon as its connection is back: every one comes back in its own time. */
async function works(key: string): Promise<void> {
  const write = () => client.cache.set({ namespace: 'n', key, value: bytes('v') }, { timeoutMs: 2_000 })
  await waitFor('a write', write, { timeoutMs: 20_000 })
  const { entry } = await waitFor('a read', () => client.cache.get({ namespace: 'n', key }))
  expect(text(entry?.value)).toBe('v')
  const chunks = [chunk(key)]
  await waitFor('an upsert', () =>
    client.search.upsertChunks({ namespace: 'n', index: 'i', model: MODEL, chunks }),
  )
  const query = { namespace: 'n', index: 'i', model: MODEL, k: 1, vector: vectorMessage(vectorOf(key)) }
  await waitFor('the chunk to be found', async () => {
    const { hits } = await client.search.search(query)
    return hits[0]?.chunk?.id === key
  })
}

/** Where the sidecar's connections come from, by the servers they are at. */
async function origins(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>()
  for (const server of ['dataRedis', 'indexRedis', 'sentinel'] as const) {
    const list = String(await cluster[server](REGION).command('CLIENT', 'LIST'))
    const lines = list.split('\n').filter((line) => / name=perigee-/.test(line))
    found.set(server, new Set(lines.map((line) => / addr=(.*?):\d+ /.exec(line)?.[1] ?? '')))
  }
  return found
}

describe('a sidecar whose Redis and Sentinel speak TLS', () => {
  it('does all of its work over it', async () => {
    await waitFor('a claim', () => client.cache.set({ namespace: 'n', key: 'first', value: bytes('v') }))
    await createIndex(client, 'n', { name: 'i' })
    await works('one')
    const relayed = new Set([TlsRelay.from])
    expect(await origins()).toEqual(
      new Map([
        ['dataRedis', relayed],
        ['indexRedis', relayed],
        ['sentinel', relayed],
      ]),
    )
  })

  it('reads its certificates again when it connects again', async () => {
    const next = await Authority.create({ name: 'next' })
    const shown = { ...(await next.issue(REDIS)), ca: next.cert }
    for (const relay of relays) relay.renew(shown)
    const refused = client.cache.get({ namespace: 'n', key: 'one' }, { timeoutMs: 1_000 })
    await expect(refused).rejects.toMatchObject({
      status: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/),
    })
    writeFiles(next.cert, await next.issue(SIDECAR))
    await works('two')
  })
})
