import { LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('a data Redis that is killed and started at once by a supervisor', () => {
  let cluster: LocalCluster
  beforeAll(async () => {
    cluster = await LocalCluster.start({ sidecar: false, sentinel: false, regions: ['a'] })
    // With everysec Redis may answer before it writes, when the disk is slow.
    await cluster.dataRedis('a').command('CONFIG', 'SET', 'appendfsync', 'always')
    await cluster.dataRedis('a').command('CONFIG', 'REWRITE')
  })
  afterAll(() => cluster?.stop())

  const set = (key: string) => cluster.dataRedis('a').command('SET', key, 'v')
  const keys = async () => ((await cluster.dataRedis('a').command('KEYS', '*')) as string[]).sort()

  it('comes back with all, without the end, with what it had before, or with nothing, as asked', async () => {
    await set('one')
    await cluster.snapshotRedis('a')
    await set('two')
    const bytes = cluster.aofBytes('a')
    await set('three')
    const pid = cluster.dataRedis('a').pid

    await cluster.restartRedis('a', { aof: 'whole' })
    expect(await keys()).toEqual(['one', 'three', 'two'])
    expect(cluster.dataRedis('a').pid).not.toBe(pid)

    await cluster.restartRedis('a', { aof: 'cut', keepBytes: bytes })
    expect(await keys()).toEqual(['one', 'two'])

    await cluster.restartRedis('a', { aof: 'cut', cutBytes: 1 })
    expect(await keys()).toEqual(['one'])

    await set('four')
    await cluster.restartRedis('a', { aof: 'older' })
    expect(await keys()).toEqual(['one'])

    await cluster.restartRedis('a', { aof: 'empty' })
    expect(await keys()).toEqual([])
  })

  it('is not cut longer than it is', async () => {
    await set('one')
    await expect(cluster.restartRedis('a', { aof: 'cut', keepBytes: 1e9 })).rejects.toThrow("can't be cut")
    await cluster.startProcess('a', 'dataRedis')
    expect(await keys()).toContain('one')
  })
})
