import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { removeTemporaryFolder, temporaryFolder } from '@perigee/embedded-redis'
import { type ClusterState, LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'

describe('a local cluster with Sentinels', () => {
  let cluster: LocalCluster
  beforeAll(async () => {
    cluster = await LocalCluster.start({ sidecar: false, distances: 'none' })
  })
  afterAll(() => cluster?.stop())

  const filed = () => JSON.parse(readFileSync(cluster.stateFile, 'utf8')) as ClusterState

  /** What a region's Redis says it is, and of whom. */
  async function role(region: string): Promise<string> {
    const [what, host, port] = (await cluster.dataRedis(region).command('ROLE')) as unknown[]
    return what === 'master' ? 'master' : `${what} of ${host}:${port}`
  }

  it('fails over when the primary dies, says so in its state file, and takes the old one back as a replica', async () => {
    await waitFor(
      'all Sentinels to know each other and both replicas',
      async () => {
        const rows = cluster.layout.regions.map(
          async (region) => (await cluster.sentinel(region).command('SENTINEL', 'MASTER', 'pg')) as string[],
        )
        return (await Promise.all(rows)).every(
          (row) =>
            row[row.indexOf('num-other-sentinels') + 1] === '2' && row[row.indexOf('num-slaves') + 1] === '2',
        )
      },
      { timeoutMs: 20_000 },
    )
    expect(cluster.primary).toBe('us-east-1')

    await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGKILL')
    await waitFor('another primary', () => cluster.primary !== 'us-east-1', { timeoutMs: 20_000 })
    const primary = cluster.primary
    expect(cluster.state().primary).toBe(primary)
    expect(filed().primary).toBe(primary)
    expect(await role(primary)).toBe('master')
    await cluster.dataRedis(primary).command('SET', 'after', 'the failover')

    const start = `${cluster.state().control}/processes/us-east-1/dataRedis/start`
    expect((await fetch(start, { method: 'POST' })).status).toBe(200)
    const { host, port } = cluster.layout.dataRedis(primary)
    await waitFor(
      'the old primary to follow the new one',
      async () => (await role('us-east-1')) === `slave of ${host}:${port}`,
      { timeoutMs: 30_000, explain: () => role('us-east-1') },
    )
    await waitFor(
      'what was written meanwhile',
      async () => (await cluster.dataRedis('us-east-1').command('GET', 'after')) === 'the failover',
      { timeoutMs: 20_000 },
    )

    // What Sentinel told them outlasts a restart: each comes back with its own configuration.
    await cluster.restartRedis('us-east-1', { aof: 'whole' })
    expect(await role('us-east-1')).toBe(`slave of ${host}:${port}`)
    await cluster.stopProcess('us-east-1', 'sentinel', 'SIGKILL')
    await cluster.startProcess('us-east-1', 'sentinel')
    const named = await cluster.sentinel('us-east-1').command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'pg')
    expect(named).toEqual([host, String(port)])
    expect(cluster.primary).toBe(primary)
  })
})

it('a folder that is used again has the same passwords, readable by its owner alone, and the primary that it had last', async () => {
  const dir = temporaryFolder()
  const options = { sidecar: false, regions: ['a', 'b'], distances: 'none', sentinel: false, dir } as const
  let password: string
  {
    await using cluster = await LocalCluster.start(options)
    const { credentials } = cluster.state()
    expect(credentials).toBe(join(dir, 'credentials.json'))
    expect(statSync(credentials).mode & 0o777).toBe(0o600)
    password = JSON.parse(readFileSync(credentials, 'utf8')).admin
    expect(password).toMatch(/^[0-9a-f]{48}$/)

    // An operator makes b the primary.
    await cluster.dataRedis('b').command('REPLICAOF', 'NO', 'ONE')
    const { host, port } = cluster.layout.dataRedis('b')
    await cluster.dataRedis('a').command('REPLICAOF', host, String(port))
    await waitFor('the cluster to notice', () => cluster.primary === 'b')
    await cluster.dataRedis('b').command('SET', 'only', 'here')
  }
  {
    await using cluster = await LocalCluster.start(options)
    expect(cluster.credentials.admin).toBe(password)
    expect(cluster.primary).toBe('b')
    expect(await cluster.dataRedis('b').command('GET', 'only')).toBe('here')
    await waitFor(
      'a to have it',
      async () => (await cluster.dataRedis('a').command('GET', 'only')) === 'here',
    )
  }
  await removeTemporaryFolder(dir)
})
