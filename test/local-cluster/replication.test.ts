import { redisCall } from '@perigee/embedded-redis'
import { LocalCluster, userOf } from '@perigee/local-cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'

const replicas = ['eu-west-1', 'ap-southeast-1']
const oneWayMs: Readonly<Record<string, number>> = { 'eu-west-1': 35, 'ap-southeast-1': 105 }

describe('replication between the regions of a local cluster', () => {
  let cluster: LocalCluster

  beforeAll(async () => {
    cluster = await LocalCluster.start({ sidecar: false, topology: 'static' })
  })
  afterAll(() => cluster?.stop())

  /** Milliseconds from a write at the primary to its arrival in each region. */
  async function lags(key: string): Promise<Map<string, number>> {
    const start = performance.now()
    const seen = new Map<string, number>()
    const watching = replicas.map(async (region) => {
      const replica = cluster.dataRedis(region)
      await waitFor(`${key} in ${region}`, async () => (await replica.command('GET', key)) === 'v', {
        everyMs: 1,
      })
      seen.set(region, performance.now() - start)
    })
    await cluster.dataRedis('us-east-1').command('SET', key, 'v')
    await Promise.all(watching)
    return seen
  }

  it('takes the one-way distance and little more', async () => {
    const samples = []
    for (let i = 0; i < 15; i++) samples.push(await lags(`lag-${i}`))
    for (const region of replicas) {
      const sorted = samples.map((sample) => sample.get(region) ?? 0).sort((a, b) => a - b)
      const distance = oneWayMs[region] ?? 0
      expect(sorted[0]).toBeGreaterThanOrEqual(distance)
      expect(sorted[7], `median lag to ${region}`).toBeLessThan(distance + 10)
    }
  })

  it('has the public addresses of all regions in it, so that Sentinels and sidecars agree on them', async () => {
    const role = await cluster.dataRedis('us-east-1').command('ROLE')
    const addresses = (role as [string, number, [string, string, string][]])[2].map(
      ([host, port]) => `${host}:${port}`,
    )
    const regions = cluster.state().regions.filter(({ name }) => name !== cluster.primary)
    expect(addresses.sort()).toEqual(regions.map(({ dataRedis }) => dataRedis).sort())
  })

  it('stops when the link is cut, and goes on when it opens', async () => {
    const [primary, replica] = [cluster.dataRedis('us-east-1'), cluster.dataRedis('eu-west-1')]
    await cluster.setLinks('eu-west-1', { mode: 'cut' })
    await primary.command('SET', 'during-the-cut', 'v')
    await waitFor('eu-west-1 to lose its link to the primary', async () =>
      String(await replica.command('INFO', 'replication')).includes('master_link_status:down'),
    )
    expect(await replica.command('GET', 'during-the-cut')).toBeNull()
    await cluster.setLinks('eu-west-1', { mode: 'open' })
    await waitFor(
      'the write of during the cut',
      async () => (await replica.command('GET', 'during-the-cut')) === 'v',
    )
  })

  it('holds the stream of a link that is stalled in one direction', async () => {
    const [primary, replica] = [cluster.dataRedis('us-east-1'), cluster.dataRedis('eu-west-1')]
    await cluster.setLink('us-east-1', 'eu-west-1', { mode: 'stall' })
    await primary.command('SET', 'during-the-stall', 'v')
    await lagOf('ap-southeast-1', 'during-the-stall')
    expect(await replica.command('GET', 'during-the-stall')).toBeNull()
    await cluster.setLink('us-east-1', 'eu-west-1', { mode: 'open' })
    await lagOf('eu-west-1', 'during-the-stall')
  })

  async function lagOf(region: string, key: string): Promise<void> {
    await waitFor(
      `${key} in ${region}`,
      async () => (await cluster.dataRedis(region).command('GET', key)) === 'v',
    )
  }

  it('is watched by Sentinels that know each other, and that fail nothing over', async () => {
    const sentinel = cluster.sentinel('ap-southeast-1')
    const known = async () => (await sentinel.command('SENTINEL', 'SENTINELS', 'pg')) as unknown[]
    await waitFor(
      'the Sentinel of ap-southeast-1 to know the two others',
      async () => (await known()).length === 2,
    )
    await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGKILL')
    const flags = async () => {
      const row = (await sentinel.command('SENTINEL', 'MASTER', 'pg')) as string[]
      return row[row.indexOf('flags') + 1] ?? ''
    }
    await waitFor('the Sentinels to notice that the primary is down', async () =>
      (await flags()).includes('s_down'),
    )
    expect(await flags()).not.toContain('o_down')
    expect((await cluster.dataRedis('eu-west-1').command('ROLE')) as string[]).toContain('slave')
    // Elsewhere its public address refuses connections, which says that the process is gone.
    const [host = '', port] = (cluster.state().regions[0]?.dataRedis ?? '').split(':')
    const localAddress = cluster.layout.host('eu-west-1')
    const user = userOf(cluster.credentials, 'admin')
    const seenFromEu = { host, port: Number(port), localAddress, user }
    await expect(redisCall(seenFromEu, ['PING'])).rejects.toThrow('ECONNREFUSED')
    await cluster.startProcess('us-east-1', 'dataRedis')
    expect(await redisCall(seenFromEu, ['PING'])).toBe('PONG')
    await lags('after-the-restart')
  })
})
