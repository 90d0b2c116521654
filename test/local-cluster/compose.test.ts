import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { appendFileSync, chmodSync, cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  findRedis,
  type RedisAddress,
  redisCall,
  removeTemporaryFolder,
  ServerProcess,
  temporaryFolder,
} from '@perigee/embedded-redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Credentials, userNames } from '../../packages/local-cluster/src/credentials.ts'
import {
  dataRedisUsers,
  indexRedisUsers,
  sentinelUsers,
} from '../../packages/local-cluster/src/redis-users.ts'
import { waitFor } from '../support/wait-for.ts'

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url))
const sidecarMain = fileURLToPath(new URL('../../apps/sidecar/dist/main.js', import.meta.url))

/** Stands for the one in Redis's images, which starts what it is told to. */
const entrypoint = (server: string) => `#!/bin/sh
case $1 in
  redis-server) exec '${server}' "$2" ;;
  redis-sentinel) exec '${server}' "$2" --sentinel ;;
esac
`

/** What docker-compose.yml runs in its containers, here without containers. */
describe('the scripts of docker-compose.yml', () => {
  const started: ServerProcess[] = []
  let dir: string
  let env: Record<string, string>

  beforeAll(async () => {
    dir = temporaryFolder()
    for (const name of ['bin', 'credentials', 'settings', 'a', 'b', 'sentinel']) mkdirSync(join(dir, name))
    const fake = join(dir, 'bin', 'docker-entrypoint.sh')
    writeFileSync(fake, entrypoint((await findRedis()).serverPath))
    chmodSync(fake, 0o755)
    cpSync(join(deploy, 'redis'), join(dir, 'settings'), { recursive: true })
    env = {
      PATH: `${join(dir, 'bin')}:${process.env.PATH}`,
      CREDENTIALS: join(dir, 'credentials'),
      SETTINGS: join(dir, 'settings'),
    }
    makeCredentials()
  })
  afterAll(async () => {
    await Promise.all(started.map((server) => server.kill()))
    await removeTemporaryFolder(dir)
  })

  function makeCredentials(): void {
    execFileSync('/bin/sh', [join(deploy, 'redis/make-credentials.sh'), join(dir, 'credentials')])
  }

  const credentialsFile = (name: string) => readFileSync(join(dir, 'credentials', name), 'utf8')

  /** The address of one server, with the login of an operator. */
  function address(host: string): RedisAddress {
    const user = { name: 'admin', password: credentialsFile('admin') }
    return { host, port: randomInt(10_000, 30_000), user }
  }

  async function start(
    name: string,
    script: string,
    at: RedisAddress,
    more: Record<string, string>,
  ): Promise<ServerProcess> {
    const server = new ServerProcess({
      title: name,
      command: '/bin/sh',
      args: [join(deploy, 'redis', script)],
      cwd: dir,
      env: { ...env, DATA: join(dir, name), ADDRESS: `${at.host}:${at.port}`, ...more },
      logFile: join(dir, `${name}.log`),
      probe: async () => (await redisCall(at, ['PING'])) === 'PONG',
    })
    started.push(server)
    await server.start()
    return server
  }

  it('make the very users that perigee dev has, with random passwords, and leave them when run again', () => {
    const passwords = Object.fromEntries(
      userNames.map((name) => [name, credentialsFile(name)]),
    ) as Credentials
    expect(new Set(Object.values(passwords)).size).toBe(userNames.length)
    for (const password of Object.values(passwords)) expect(password).toMatch(/^[0-9a-f]{48}$/)
    for (const name of [...userNames, 'data-users.acl', 'index-users.acl', 'sentinel-users.acl']) {
      expect(statSync(join(dir, 'credentials', name)).mode & 0o777, name).toBe(0o600)
    }
    const ours = dataRedisUsers({ credentials: passwords, prefix: 'pg', replicasMayFollow: false })
    expect(credentialsFile('data-users.acl')).toBe(ours)
    expect(credentialsFile('index-users.acl')).toBe(indexRedisUsers({ credentials: passwords, prefix: 'pg' }))
    expect(credentialsFile('sentinel-users.acl')).toBe(sentinelUsers(passwords))
    makeCredentials()
    for (const name of userNames) expect(credentialsFile(name)).toBe(passwords[name])
  })

  it('start data Redis behind a closed gate, a Sentinel that watches them, and each goes on from where it was', async () => {
    const subnet = `127.77.${randomInt(1, 255)}`
    const [a, b, s] = [1, 2, 3].map((n) => address(`${subnet}.${n}`)) as [
      RedisAddress,
      RedisAddress,
      RedisAddress,
    ]
    const [first, second] = await Promise.all([
      start('a', 'data.sh', a, {}),
      start('b', 'data.sh', b, { FOLLOWS: `${a.host}:${a.port}` }),
      start('sentinel', 'sentinel.sh', s, {
        PRIMARY: `${a.host}:${a.port}`,
        REPLICAS: `${b.host}:${b.port}`,
      }),
    ])
    const replication = async (of: RedisAddress) => String(await redisCall(of, ['INFO', 'replication']))

    await redisCall(a, ['SET', 'k', 'v'])
    await waitFor('b to be refused', async () =>
      JSON.stringify(await redisCall(a, ['ACL', 'LOG'])).includes('"replica"'),
    )
    expect(await replication(b)).toContain('master_link_status:down')
    await redisCall(a, ['ACL', 'SETUSER', 'replica', 'on'])
    await waitFor('b to follow', async () => (await redisCall(b, ['GET', 'k'])) === 'v')
    expect(await replication(a)).toContain(`slave0:ip=${b.host},port=${b.port}`)

    const master = async () => {
      const row = (await redisCall(s, ['SENTINEL', 'MASTER', 'pg'])) as string[]
      return Object.fromEntries(row.flatMap((name, i) => (i % 2 ? [] : [[name, row[i + 1]]])))
    }
    const watched = { ip: a.host, port: String(a.port), flags: 'master', quorum: '2', 'num-slaves': '1' }
    expect(await master()).toMatchObject(watched)

    // As after a failover: b is the master, a follows it, and Sentinel has had both write it down.
    await redisCall(b, ['REPLICAOF', 'NO', 'ONE'])
    await redisCall(a, ['REPLICAOF', b.host, String(b.port)])
    for (const one of [a, b]) await redisCall(one, ['CONFIG', 'REWRITE'])
    appendFileSync(join(dir, 'settings', 'data.conf'), 'maxclients 1234\n')
    // After a full copy Redis writes a new append-only file in the background.
    for (const one of [a, b]) {
      await waitFor('its append-only file to be whole', async () => {
        const persistence = String(await redisCall(one, ['INFO', 'persistence']))
        return ['aof_enabled:1', 'aof_rewrite_in_progress:0', 'aof_rewrite_scheduled:0', 'loading:0'].every(
          (state) => persistence.includes(state),
        )
      })
    }
    for (const server of [first, second]) {
      await server.kill()
      await server.start()
    }
    expect((await redisCall(b, ['ROLE'])) as unknown[]).toContain('master')
    expect(((await redisCall(a, ['ROLE'])) as unknown[]).slice(0, 3)).toEqual(['slave', b.host, b.port])
    expect(await redisCall(a, ['CONFIG', 'GET', 'maxclients'])).toEqual(['maxclients', '1234'])
    expect(await redisCall(b, ['GET', 'k'])).toBe('v')
    // Closed again, as after each start.
    expect(String(await redisCall(b, ['ACL', 'GETUSER', 'replica']))).toMatch(/^flags,off/)
  })

  it('give the sidecar a configuration that it takes', () => {
    const compose = readFileSync(join(deploy, '../docker-compose.yml'), 'utf8')
    const settings = [...compose.matchAll(/^\s+(PERIGEE_\w+|SENTINELS|DATA_REDIS|INDEX_REDIS): (.+)$/gm)]
    const variables = Object.fromEntries(
      settings.map(([, name, value = '']) => [name, value.replaceAll('"', '')]),
    )
    const args = [join(deploy, 'sidecar.sh'), process.execPath, sidecarMain, '--print-config']
    const printed = execFileSync('/bin/sh', args, { env: { ...env, ...variables }, encoding: 'utf8' })
    expect(JSON.parse(printed)).toMatchObject({
      topology: 'sentinel',
      gateUser: 'replica',
      dataRedis: 'redis://***@172.28.3.10:6379',
      dataRedisAddress: '172.28.3.10:6379',
      controlRedis: 'redis://***@172.28.3.10:6379',
      indexRedis: 'redis://***@172.28.3.11:6379',
      sentinels: [1, 2, 3].map((n) => `redis://***@172.28.${n}.12:26379`),
    })
  })
})
