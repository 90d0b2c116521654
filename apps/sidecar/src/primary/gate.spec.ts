import { type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { expect, it, vi } from 'vitest'
import { startClaimedRedis } from './claimed-redis.spec-support.ts'
import { wantedGate } from './gate.ts'
import type { OwnLook } from './own-redis.ts'

const look = (more: Partial<OwnLook> = {}): OwnLook => ({
  ...{ role: 'master', follows: undefined, following: false, loaded: true },
  ...{ epoch: 0, live: false, newestEpoch: 0, nowUs: 0, leaseEndUs: 0, clock: { epoch: 7, seq: 1 } },
  ...{ appointment: undefined, makesWay: undefined },
  ...more,
})

it.each([
  ['a replica', look({ role: 'replica', newestEpoch: 7 }), 'closed'],
  ['a master that was never claimed', look(), 'closed'],
  ['a master that was claimed, and overtaken since', look({ newestEpoch: 6 }), 'closed'],
  ['an empty master', look({ clock: undefined }), 'closed'],
  ['a live claim', look({ epoch: 7, newestEpoch: 7, live: true }), 'open'],
  ['a claim that was given up, or ran out', look({ newestEpoch: 7 }), 'as-it-is'],
])('is for %s', (_, seen, wanted) => {
  expect(wantedGate(seen, false)).toBe(wanted)
})

it('is open at a master that gives way to another and holds the most of all, never at a replica', () => {
  expect(wantedGate(look(), true)).toBe('open')
  expect(wantedGate(look({ role: 'replica' }), true)).toBe('closed')
})

async function linkOf(replica: RedisProcess): Promise<string> {
  return /master_link_status:(\w+)/.exec(String(await replica.command('INFO', 'replication')))?.[1] ?? ''
}

it('lets nobody follow before the claim, and ends those that follow when the Redis is demoted', async () => {
  const process = await startRedis({ config: [['repl-diskless-sync-delay', 0]] })
  const login = ['resetpass', '>secret', 'resetchannels', '-@all', '+psync', '+replconf', '+ping']
  await process.command('ACL', 'SETUSER', 'replica', 'off', ...login)
  await using replica = await startRedis({
    config: [
      ['masteruser', 'replica'],
      ['masterauth', 'secret'],
    ],
  })
  await replica.command('SET', 'newer', 'kept')
  await replica.command('REPLICAOF', process.host, String(process.port))
  await using redis = await startClaimedRedis({
    ...{ process, gateUser: 'replica', regions: ['here', 'there'] },
    others: new Map([['there', undefined]]),
  })
  await vi.waitFor(async () => {
    const denied = String(await process.command('ACL', 'LOG'))
    expect(denied).toContain('replica')
  }, 5000)
  expect(redis.claim.state.kind).toBe('waiting')
  expect(await replica.command('GET', 'newer')).toBe('kept')

  expect(await redis.claim.initialize()).toMatchObject({ seq: 0 })
  await vi.waitFor(async () => expect(await linkOf(replica)).toBe('up'), 10_000)

  await using other = await startRedis()
  await process.command('REPLICAOF', other.host, String(other.port))
  await vi.waitFor(() => expect(redis.claim.state.kind).toBe('replica'), 5000)
  await vi.waitFor(async () => expect(await linkOf(replica)).toBe('down'), 5000)
  const user = (await process.command('ACL', 'GETUSER', 'replica')) as unknown[]
  expect(user[user.indexOf('flags') + 1]).toContain('off')
})

async function flagsOf(process: RedisProcess): Promise<unknown> {
  const user = (await process.command('ACL', 'GETUSER', 'replica')) as unknown[]
  return user[user.indexOf('flags') + 1]
}

it.each([
  ['open again at a live claim', 'here', 'on', 'off'],
  ['closed again where there is none', 'there', 'off', 'on'],
])(
  'is %s soon after somebody turned it, by loading the ACL file anew or otherwise',
  async (_, primary, as, turned) => {
    const regions = ['here', 'there']
    const others = new Map([['there', { epoch: 0, seq: 0 }]])
    await using redis = await startClaimedRedis({ gateUser: 'replica', regions, others, primary })
    const { process } = redis
    await vi.waitFor(async () => expect(await flagsOf(process)).toContain(as), 5000)
    await process.command('ACL', 'SETUSER', 'replica', turned)
    await vi.waitFor(async () => expect(await flagsOf(process)).toContain(as), 5000)
  },
)
