import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { LocalCluster, loginUrl, userOf } from '@perigee/local-cluster'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { perigee } from './run-perigee.ts'

const SIDECAR = fileURLToPath(new URL('../../apps/sidecar/dist/main.js', import.meta.url))

describe('a new cluster of which one region is silent', () => {
  let sidecar: ChildProcess | undefined
  afterEach(async () => {
    if (!sidecar || sidecar.exitCode !== null) return
    sidecar.kill('SIGKILL')
    await once(sidecar, 'exit')
  })

  it('takes no write until perigee init, which asks first', async () => {
    await using cluster = await LocalCluster.start({
      regions: ['here', 'silent'],
      distances: 'none',
      sidecar: false,
      sentinel: false,
    })
    const here = cluster.state().regions.find((region) => region.name === 'here')
    if (!here) throw new Error('the cluster has a region called here')
    const local = here.grpc.replace(/:\d+$/, '')
    sidecar = spawn(process.execPath, [SIDECAR], {
      stdio: 'ignore',
      env: {
        PATH: process.env.PATH,
        PERIGEE_REGION: 'here',
        PERIGEE_REGIONS: 'here,silent',
        PERIGEE_PRIMARY: 'here',
        PERIGEE_GRPC_LISTEN: here.grpc,
        PERIGEE_HTTP_LISTEN: here.http,
        PERIGEE_DATA_REDIS: loginUrl(userOf(cluster.credentials, 'sidecar'), here.dataRedis),
        PERIGEE_CONTROL_REDIS: loginUrl(userOf(cluster.credentials, 'control'), here.dataRedis),
        PERIGEE_INDEX_REDIS: loginUrl(userOf(cluster.credentials, 'index'), here.indexRedis),
        PERIGEE_LOCAL_ADDRESS: local,
        PERIGEE_PEERS: `silent=${local}:1`,
      },
    })
    const run = (...args: string[]) => perigee([...args, '--address', here.grpc, '-o', 'json'])

    const refused = await waitFor(
      'the sidecar to say that nobody takes writes',
      async () => {
        const { exitCode, stderr } = await run('set', 'a', 'b')
        const { error } = JSON.parse(stderr || '{}')
        return error?.reason === 'NO_PRIMARY' ? { exitCode, error } : undefined
      },
      { timeoutMs: 20_000 },
    )
    expect(refused.exitCode).toBe(5)
    expect(refused.error.hint).toContain('perigee init')

    const unasked = await run('init')
    expect(unasked.exitCode).toBe(2)
    expect(JSON.parse(unasked.stderr).error.hint).toContain('--yes')
    expect((await run('set', 'a', 'b')).exitCode).toBe(5)

    const done = await run('init', '--yes')
    expect(done, done.stderr).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(done.stdout)).toEqual({
      position: expect.stringMatching(/^\d+-0$/),
      tookMs: expect.any(Number),
    })
    expect((await run('set', 'a', 'b')).exitCode).toBe(0)
    expect(JSON.parse((await run('get', 'a')).stdout).value).toBe('b')
  })
})
