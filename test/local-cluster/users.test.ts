import { type RedisAddress, type RedisUser, redisCommand } from '@perigee/embedded-redis'
import { LocalCluster, type UserName, userOf } from '@perigee/local-cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { RawClient } from '../support/clients.ts'
import { waitFor } from '../support/wait-for.ts'

describe('the users of a local cluster', () => {
  let cluster: LocalCluster
  beforeAll(async () => {
    cluster = await LocalCluster.start({ distances: 'none' })
  })
  afterAll(() => cluster?.stop())

  const as = (name: UserName): RedisUser => userOf(cluster.credentials, name)
  const dataRedis = (user: RedisUser | undefined): RedisAddress => {
    const { host, port } = cluster.dataRedis('us-east-1')
    return { host, port, ...(user && { user }) }
  }
  const told = async (user: RedisUser | undefined, ...args: string[]) =>
    String(await redisCommand(dataRedis(user), args))

  // First, while the logs are empty but for what the cluster itself did.
  it('are refused nothing that they need: replication, Sentinel, writes, reads and searches leave no line in ACL LOG beside those of the gate', async () => {
    const [us, ...others] = cluster.state().regions.map(({ grpc }) => new RawClient(grpc)) as [RawClient]
    const search = {
      ...{ namespace: 'n', index: 'docs', model: MODEL, vector: vectorMessage(vectorOf('c')), k: 1 },
    }
    try {
      await waitFor('an index', () => createIndex(us, 'n', { name: 'docs' }).then(() => true), {
        timeoutMs: 20_000,
      })
      await us.search.upsertChunks({ namespace: 'n', index: 'docs', model: MODEL, chunks: [chunk('c')] })
      for (const client of [us, ...others]) {
        await client.cache.set({ namespace: 'n', key: 'k' })
        await client.cache.get({ namespace: 'n', key: 'k' })
        await client.cache.listKeys({ namespace: 'n' })
        await waitFor('a hit', async () => (await client.search.search(search)).hits.length === 1)
        await client.cluster.getStatus({})
      }
      const selection = { case: 'ids' as const, value: { values: ['c'] } }
      await us.search.deleteChunks({ namespace: 'n', index: 'docs', selection })
      await us.cache.clearNamespace({ namespace: 'n' })
      for (const region of cluster.layout.regions) {
        for (const redis of [cluster.dataRedis(region), cluster.sentinel(region)]) {
          const log = (await redis.command('ACL', 'LOG')) as unknown[][]
          const refusals = log.map((line) => Object.fromEntries(pairs(line)))
          expect(refusals.filter((refusal) => !isAtTheGate(refusal))).toEqual([])
        }
      }
    } finally {
      for (const client of [us, ...others]) client.close()
    }
  })

  it('nobody does anything without a login, or with a wrong password', async () => {
    expect(await told(undefined, 'GET', 'pg:{0}:clock')).toContain('NOAUTH')
    expect(await told({ name: 'default', password: '' }, 'PING')).toContain('WRONGPASS')
    expect(await told({ name: 'admin', password: 'guess' }, 'PING')).toContain('WRONGPASS')
    const { host, port } = cluster.sentinel('us-east-1')
    expect(String(await redisCommand({ host, port }, ['SENTINEL', 'MASTERS']))).toContain('NOAUTH')
  })

  it.each([
    ['sidecar', ['SET', 'other:key', 'v']],
    ['sidecar', ['FLUSHALL']],
    ['sidecar', ['CONFIG', 'SET', 'dir', '/']],
    ['sidecar', ['EVAL', 'return 1', '0']],
    ['sidecar', ['PSYNC', '?', '-1']],
    ['sidecar', ['FUNCTION', 'FLUSH']],
    ['sentinel', ['GET', 'pg:{0}:clock']],
    ['sentinel', ['CONFIG', 'GET', 'masterauth']],
    ['admin', ['ACL', 'DRYRUN', 'replica', 'GET', 'pg:{0}:clock']],
    ['admin', ['ACL', 'DRYRUN', 'replica', 'SET', 'pg:{0}:clock', 'v']],
  ] as const)('%s is refused %j', async (name, args) => {
    expect(await told(as(name), ...args)).toMatch(/NOPERM|no permissions|has no permissions/)
  })

  /** A replica that came before the claim. */
  function isAtTheGate({ reason, username }: Record<string, unknown>): boolean {
    return reason === 'auth' && username === 'replica'
  }

  function* pairs(line: readonly unknown[]): Generator<[string, unknown]> {
    for (let i = 0; i < line.length; i += 2) yield [String(line[i]), line[i + 1]]
  }
})
