import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRedis, type RedisUser, redisCommand, startRedis } from '@perigee/embedded-redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { perigee } from './run-perigee.ts'

let dir: string
let credentials: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'perigee-acl-'))
  credentials = join(dir, 'credentials.json')
})
afterAll(() => rmSync(dir, { recursive: true }))

const acl = (...args: string[]) => perigee(['acl', ...args, '--credentials', credentials])
const passwords = () => JSON.parse(readFileSync(credentials, 'utf8')) as Record<string, string>

it('perigee acl prints files that Redis takes, for passwords that it keeps beside them, by hash', async () => {
  const first = await acl('data', '--prefix', 'mine')
  expect(first, first.stderr).toMatchObject({ exitCode: 0 })
  expect(first.stderr).toContain(`made ${credentials}`)
  expect(statSync(credentials).mode & 0o777).toBe(0o600)
  for (const password of Object.values(passwords())) expect(first.stdout).not.toContain(password)

  const installation = await findRedis()
  const files = { 'users.acl': first.stdout }
  await using redis = await startRedis({
    ...{ installation, files, config: [['aclfile', 'users.acl']] },
    user: { name: 'admin', password: passwords().admin ?? '' },
  })
  const as = async (name: string, ...args: string[]) => {
    const user: RedisUser = { name, password: passwords()[name] ?? '' }
    return String(await redisCommand({ host: redis.host, port: redis.port, user }, args))
  }
  expect(await as('sidecar', 'SET', 'mine:{0}:k', 'v')).toBe('OK')
  expect(await as('sidecar', 'SET', 'pg:{0}:k', 'v')).toContain('NOPERM')
  expect(await as('control', 'CONFIG', 'GET', 'appendonly')).toContain('appendonly')
  expect(await as('replica', 'PING')).toContain('WRONGPASS')

  const again = await acl('data', '--prefix', 'mine')
  expect(again).toMatchObject({ exitCode: 0, stdout: first.stdout, stderr: '' })
  expect((await acl('data', '--no-gate')).stdout).toMatch(/^user replica on #/m)
})

it('perigee acl tells one Redis from another, and refuses what is wrong with exit code 2', async () => {
  const index = await acl('index', '-o', 'json')
  expect(JSON.parse(index.stdout)).toMatchObject({
    server: 'index',
    credentials,
    lines: [/^user default off/, /^user admin on #/, /^user index on #/].map((line) =>
      expect.stringMatching(line),
    ),
  })
  expect((await acl('sentinel')).stdout).toMatch(/^user control on #.* \+sentinel\|failover/m)
  expect(await acl('other')).toMatchObject({ exitCode: 2 })
  expect(await acl('data', '--prefix', 'a b')).toMatchObject({ exitCode: 2 })
  writeFileSync(credentials, 'not JSON')
  const refused = await acl('data')
  expect(refused).toMatchObject({ exitCode: 2, stdout: '' })
  expect(refused.stderr).toContain("isn't a credentials file")
})
