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

  const toldByIndex = async (user: RedisUser | undefined, ...args: string[]) => {
    const { host, port } = cluster.indexRedis('us-east-1')
    return String(await redisCommand({ host, port, ...(user && { user }) }, args))
  }

  // First, while the logs are empty but for what the cluster itself did.
  it('are refused nothing that they need: replication, writes, reads, searches and a failover leave no line in ACL LOG beside those of the gate', async () => {
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
      expect(await refusals()).toEqual([])

      await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGKILL')
      await waitFor('a write after the failover', () => us.cache.set({ namespace: 'n', key: 'after' }), {
        timeoutMs: 30_000,
      })
      await cluster.startProcess('us-east-1', 'dataRedis')
      const role = async () => String(await cluster.dataRedis('us-east-1').command('ROLE'))
      await waitFor('the old primary to follow', async () => /^slave,.*,connected,/.test(await role()), {
        timeoutMs: 30_000,
        explain: role,
      })
      expect(await refusals()).toEqual([])
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
    ['sidecar', ['CONFIG', 'GET', '*']],
    ['sidecar', ['CONFIG', 'SET', 'replica-priority', '1']],
    ['sidecar', ['KEYS', '*']],
    ['sidecar', ['EVAL', 'return 1', '0']],
    ['sidecar', ['FUNCTION', 'LOAD', '#!lua name=mine\nredis.register_function("mine", function() end)']],
    ['sidecar', ['ACL', 'SETUSER', 'sidecar', '+@all']],
    ['sidecar', ['REPLICAOF', 'NO', 'ONE']],
    ['sidecar', ['CLIENT', 'KILL', 'USER', 'control']],
    ['sidecar', ['CLIENT', 'LIST']],
    ['sidecar', ['SHUTDOWN']],
    ['sidecar', ['GET', 'pg:{1}:clock']],
    ['sidecar', ['SUBSCRIBE', '__sentinel__:hello']],
    ['sidecar', ['PSYNC', '?', '-1']],
    ['sidecar', ['FUNCTION', 'FLUSH']],
    ['control', ['FLUSHALL']],
    ['control', ['KEYS', '*']],
    ['control', ['EVAL', 'return 1', '0']],
    ['control', ['PSYNC', '?', '-1']],
    ['control', ['GET', 'other:key']],
    ['control', ['FUNCTION', 'DELETE', 'perigee_1']],
    ['sentinel', ['GET', 'pg:{0}:clock']],
    ['sentinel', ['CONFIG', 'GET', 'masterauth']],
    ['admin', ['ACL', 'DRYRUN', 'replica', 'GET', 'pg:{0}:clock']],
    ['admin', ['ACL', 'DRYRUN', 'replica', 'SET', 'pg:{0}:clock', 'v']],
  ] as const)('%s is refused %j', async (name, args) => {
    expect(await told(as(name), ...args)).toMatch(/NOPERM|no permissions|has no permissions/)
  })

  it.each([
    ['index', ['FLUSHALL']],
    ['index', ['CONFIG', 'GET', '*']],
    ['index', ['KEYS', '*']],
    ['index', ['EVAL', 'return 1', '0']],
    ['index', ['FT.CONFIG', 'SET', 'ON_TIMEOUT', 'RETURN']],
    ['index', ['FT.SEARCH', 'other', '*']],
    ['index', ['FT.DROPINDEX', 'other']],
    ['index', ['SET', 'other:key', 'v']],
    ['index', ['REPLICAOF', 'NO', 'ONE']],
  ] as const)('%s is refused %j at the index Redis', async (name, args) => {
    expect(await toldByIndex(as(name), ...args)).toMatch(/NOPERM|no permissions/)
  })

  it('the index Redis lets nobody in without a login, nor users of the data Redis', async () => {
    expect(await toldByIndex(undefined, 'PING')).toContain('NOAUTH')
    for (const name of ['sidecar', 'control'] as const) {
      expect(await toldByIndex(as(name), 'PING')).toContain('WRONGPASS')
    }
  })

  it('a sidecar whose password is known starts no failover: at Sentinels only control is known', async () => {
    const { host, port } = cluster.sentinel('us-east-1')
    const refused = await redisCommand({ host, port, user: as('sidecar') }, ['SENTINEL', 'FAILOVER', 'pg'])
    expect(String(refused)).toContain('WRONGPASS')
    const config = await redisCommand({ host, port, user: as('control') }, ['SENTINEL', 'CONFIG', 'GET', '*'])
    expect(String(config)).toMatch(/NOPERM|no permissions/)
  })

  it('control changes no setting that Redis protects, such as where files go, though it may set the replica-priority', async () => {
    expect(await told(as('control'), 'CONFIG', 'SET', 'dir', '/')).toContain('protected config')
    expect(await told(as('control'), 'CONFIG', 'SET', 'dbfilename', 'other.rdb')).toContain(
      'protected config',
    )
    expect(await told(as('control'), 'CONFIG', 'SET', 'replica-priority', '100')).toBe('OK')
  })

  it('a sidecar without a login for control work says what it lacks, and where to get it', async () => {
    const region = 'ap-southeast-1'
    await cluster.stopProcess(region, 'sidecar')
    const started = cluster.startProcess(region, 'sidecar', { env: { PERIGEE_CONTROL_REDIS: '' } })
    await waitFor(
      'it to say so',
      () =>
        cluster
          .logTail(region, 'sidecar')
          .includes("'acl|setuser' command; `perigee acl` prints what each user needs"),
      { timeoutMs: 30_000, explain: () => cluster.logTail(region, 'sidecar') },
    )
    await Promise.allSettled([started, cluster.stopProcess(region, 'sidecar')])
  })

  /** What any Redis or Sentinel has refused to anybody, but for replicas at the gate. */
  async function refusals(): Promise<Record<string, unknown>[]> {
    const servers = cluster.layout.regions.flatMap((region) => [
      cluster.dataRedis(region),
      cluster.indexRedis(region),
      cluster.sentinel(region),
    ])
    const logs = await Promise.all(servers.map((redis) => redis.command('ACL', 'LOG')))
    const lines = (logs as unknown[][][]).flat().map((line) => Object.fromEntries(pairs(line)))
    return lines.filter((line) => !isAtTheGate(line))
  }

  /** A replica that came before the claim. */
  function isAtTheGate({ reason, username }: Record<string, unknown>): boolean {
    return reason === 'auth' && username === 'replica'
  }

  function* pairs(line: readonly unknown[]): Generator<[string, unknown]> {
    for (let i = 0; i < line.length; i += 2) yield [String(line[i]), line[i + 1]]
  }
})
