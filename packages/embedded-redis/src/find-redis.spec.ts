import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { findRedis } from './find-redis.ts'
import type { RedisInstallation } from './installation.ts'
import { removeTemporaryFolder, temporaryFolder } from './process-guard.ts'

describe('finding Redis', () => {
  let real: RedisInstallation

  beforeEach(async () => {
    vi.unstubAllEnvs()
    real = await findRedis()
    vi.resetModules()
  })
  afterEach(() => vi.unstubAllEnvs())

  /** As a process that starts with the environment of now: nothing is remembered. */
  async function findAnew(): Promise<RedisInstallation> {
    const fresh = await import('./find-redis.ts')
    return fresh.findRedis()
  }

  it('gives one that is recent and has search', () => {
    expect(Number.parseFloat(real.version)).toBeGreaterThanOrEqual(7.2)
  })

  it('takes what the environment names', async () => {
    if (real.searchModulePath === undefined) return
    vi.stubEnv('PERIGEE_REDIS_SERVER', real.serverPath)
    vi.stubEnv('PERIGEE_REDIS_SEARCH_MODULE', real.searchModulePath)
    expect(await findAnew()).toEqual({ ...real, source: 'PERIGEE_REDIS_SERVER' })
  })

  it('takes a server on the PATH if it has search beside it', async () => {
    if (real.searchModulePath === undefined) return
    const root = temporaryFolder()
    const { mkdirSync, copyFileSync } = await import('node:fs')
    mkdirSync(join(root, 'bin'))
    mkdirSync(join(root, 'lib'))
    copyFileSync(real.serverPath, join(root, 'bin/redis-server'))
    vi.stubEnv('PATH', `${join(root, 'bin')}:${process.env.PATH}`)
    expect((await findAnew()).source).not.toBe('PATH')
    vi.resetModules()
    symlinkSync(real.searchModulePath, join(root, 'lib/redisearch.so'))
    expect(await findAnew()).toMatchObject({ serverPath: join(root, 'bin/redis-server'), source: 'PATH' })
    await removeTemporaryFolder(root)
  })

  it.each([
    ['/nowhere/redis-server', undefined, "isn't a redis-server that runs here"],
    ['/bin/true', undefined, "isn't a redis-server that runs here"],
    [undefined, '/nowhere/redisearch.so', 'without PERIGEE_REDIS_SERVER'],
    ['/bin/true', '/nowhere/redisearch.so', "can't be read"],
  ])('says what is wrong with %s and %s', async (server, module, message) => {
    if (server !== undefined) vi.stubEnv('PERIGEE_REDIS_SERVER', server)
    if (module !== undefined) vi.stubEnv('PERIGEE_REDIS_SEARCH_MODULE', module)
    await expect(findAnew()).rejects.toThrow(message)
  })

  it('says of a server without search that it has none', async () => {
    if (real.searchModulePath === undefined) return
    vi.stubEnv('PERIGEE_REDIS_SERVER', real.serverPath)
    await expect(findAnew()).rejects.toThrow('has no search')
  })
})
