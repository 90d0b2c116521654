import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { removeTemporaryFolder, temporaryFolder } from './process-guard.ts'
import { configText } from './redis-process.ts'
import { redisCommand } from './resp.ts'
import type { ServerExit } from './server-process.ts'
import { startRedis } from './start-redis.ts'

describe('a Redis process', () => {
  it('searches, if asked to', async () => {
    await using redis = await startRedis({ search: true })
    await redis.command('FT.CREATE', 'i', 'SCHEMA', 't', 'TEXT')
    await redis.command('HSET', 'a', 't', 'hello')
    expect(await redis.command('FT.SEARCH', 'i', 'hello', 'NOCONTENT')).toEqual([1, 'a'])
  })

  it('keeps what it was told over a restart, and its configuration', async () => {
    await using redis = await startRedis({ config: [['appendonly', 'yes']] })
    await redis.command('SET', 'k', 'v')
    await redis.command('CONFIG', 'SET', 'maxmemory', '123mb')
    await redis.command('CONFIG', 'REWRITE')
    const before = redis.pid
    await redis.restart()
    expect(redis.pid).not.toBe(before)
    expect(await redis.command('GET', 'k')).toBe('v')
    expect(await redis.command('CONFIG', 'GET', 'maxmemory')).toEqual([
      'maxmemory',
      String(123 * 1024 * 1024),
    ])
  })

  it('is one of users, whose files nobody else may read', async () => {
    const user = { name: 'me', password: 'secret' }
    await using redis = await startRedis({
      user,
      files: { 'users.acl': 'user default off\nuser me on >secret ~* +@all\n' },
      config: [['aclfile', 'users.acl']],
    })
    expect(await redis.command('ACL', 'WHOAMI')).toBe('me')
    expect(redis.url).toBe(`redis://me:secret@127.0.0.1:${redis.port}`)
    for (const file of ['users.acl', 'redis.conf']) {
      expect(statSync(join(redis.dir, file)).mode & 0o777).toBe(0o600)
    }
    const { host, port } = redis
    expect(String(await redisCommand({ host, port }, ['PING']))).toContain('NOAUTH')
    const wrong = { host, port, user: { ...user, password: 'guess' } }
    expect(String(await redisCommand(wrong, ['PING']))).toContain('WRONGPASS')
  })

  it('stays dead when it is killed, says so, and starts again on request', async () => {
    await using redis = await startRedis()
    const exited = once(redis, 'exit') as Promise<[ServerExit]>
    process.kill(redis.pid ?? 0, 'SIGKILL')
    expect((await exited)[0]).toEqual({ code: null, signal: 'SIGKILL', unexpected: true })
    expect(redis.pid).toBeUndefined()
    await expect(redis.command('PING')).rejects.toThrow('ECONNREFUSED')
    await redis.start()
    expect(await redis.command('PING')).toBe('PONG')
  })

  it('can be stopped while it is frozen', async () => {
    await using redis = await startRedis()
    await redis.kill('SIGSTOP')
    await redis.stop()
    expect(redis.running).toBe(false)
  })

  it('tells what its log says when it ends while it starts', async () => {
    await expect(startRedis({ config: [['no-such-directive', 1]] })).rejects.toThrow(
      /ended while it started[\s\S]*no-such-directive/,
    )
  })

  it("isn't mistaken for another that has its port", async () => {
    await using redis = await startRedis()
    await expect(startRedis({ port: redis.port })).rejects.toThrow('Address already in use')
  })

  it('runs Sentinels', async () => {
    await using redis = await startRedis()
    await using sentinel = await startRedis({
      sentinel: true,
      config: [['sentinel', 'monitor', 'group', redis.host, redis.port, 1]],
    })
    expect(await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'group')).toEqual([
      redis.host,
      String(redis.port),
    ])
  })

  it('removes its temporary folder, and leaves a given one', async () => {
    const dir = temporaryFolder()
    let temporary = ''
    {
      await using redis = await startRedis()
      await using kept = await startRedis({ dir, name: 'kept' })
      temporary = redis.dir
      expect(existsSync(temporary)).toBe(true)
      expect(kept.dir).toBe(dir)
    }
    expect(existsSync(temporary)).toBe(false)
    expect(readFileSync(join(dir, 'kept.log'), 'utf8')).toContain('Ready to accept connections')
    await removeTemporaryFolder(dir)
  })
})

describe('a configuration file', () => {
  it('quotes what needs it', () => {
    const text = configText([
      ['save', ''],
      ['dir', '/a folder/"x"'],
      ['sentinel', 'monitor', 'pg', '127.0.0.1', 7710, 2],
    ])
    expect(text).toBe('save ""\ndir "/a folder/\\"x\\""\nsentinel monitor pg 127.0.0.1 7710 2\n')
  })
})

describe('a Redis command', () => {
  it('gives every kind of reply', async () => {
    await using redis = await startRedis()
    expect(await redis.command('EVAL', "return {1, 'x', false, {}, redis.status_reply('S')}", '0')).toEqual([
      1,
      'x',
      null,
      [],
      'S',
    ])
    const big = 'ü'.repeat(200_000)
    await redis.command('SET', 'big', big)
    expect(await redis.command('GET', 'big')).toBe(big)
    expect(await redisCommand(redis.address, ['NOPE'])).toBeInstanceOf(Error)
    await expect(redis.command('NOPE')).rejects.toThrow('unknown command')
  })

  it('is given up in time', async () => {
    await using redis = await startRedis()
    await redis.kill('SIGSTOP')
    await expect(redisCommand(redis.address, ['PING'], { timeoutMs: 50 })).rejects.toThrow(
      "didn't answer PING in time",
    )
    await expect(redisCommand(redis.address, ['PING'], { signal: AbortSignal.timeout(50) })).rejects.toThrow(
      'given up',
    )
  })
})
