import { ORIGIN, type Position } from '@perigee/core'
import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { RedisFailure } from '../redis/connection.ts'
import { librarySource } from '../redis/function-library.ts'
import { ExternalAuthority } from './authority.ts'
import { type ClaimedRedis, soon, startClaimedRedis } from './claimed-redis.spec-support.ts'
import { Farewells } from './farewells.ts'
import type { WayOut } from './way-out.ts'

const entry = { key: 'k', value: new Uint8Array([1]), contentType: '' }

/** What a Redis that holds less than another is to do isn't asked for. */
const bySentinel = {
  by: 'sentinel',
  failover: { ask: () => {} },
  catchUp: { ahead: undefined },
  following: { mend: async () => {} },
} as unknown as WayOut

function epochOf({ claim }: ClaimedRedis): number {
  if (claim.epoch === undefined) throw new Error(`no claim: ${JSON.stringify(claim.state)}`)
  return claim.epoch
}

it('claims an empty Redis of a single region, with the clock at seq 0 and a claim in the log', async () => {
  await using redis = await startClaimedRedis()
  const epoch = epochOf(redis)
  expect(await redis.connection.call('GET', redis.keys.clock)).toBe(`${epoch}-0`)
  const batch = await redis.data.read(ORIGIN, 10)
  expect(batch.entries).toMatchObject([{ operation: 'claim', position: { epoch, seq: 0 }, previous: ORIGIN }])
  expect(await redis.connection.call('GET', redis.keys.cluster)).toMatch(/^[0-9a-f]{16}$/)
})

it('remembers the epoch in the index Redis before it claims', async () => {
  await using redis = await startClaimedRedis()
  expect(Number(await redis.connection.call('GET', redis.keys.claimedEpoch))).toBe(epochOf(redis))
})

it('waits with the first claim while another region is silent, until told to accept that', async () => {
  const others = new Map([['there', undefined]])
  await using redis = await startClaimedRedis({ regions: ['here', 'there'], others })
  expect(redis.claim.state).toMatchObject({
    kind: 'waiting',
    why: expect.stringContaining('there is silent'),
  })
  await expect(redis.writer.setEntries('n', [entry], soon())).rejects.toMatchObject({
    details: { reason: 'NO_PRIMARY' },
  })
  expect(await redis.claim.initialize()).toEqual({ epoch: epochOf(redis), seq: 0 })
})

it('never makes the first claim while another region holds writes', async () => {
  const others = new Map([['there', { epoch: 5, seq: 7 }]])
  await using redis = await startClaimedRedis({ regions: ['here', 'there'], others })
  expect(redis.claim.state).toMatchObject({ kind: 'regressed', ahead: { position: { epoch: 5, seq: 7 } } })
  expect(await redis.claim.initialize()).toMatchObject({ why: expect.stringContaining('5-7') })
})

it('claims an empty Redis although writes were seen only when told to accept that, and stays the same cluster', async () => {
  await using process = await startRedis()
  await process.command('HSET', 'pg:{0}:checkpoint', 'seen', '5-7', 'cluster', '0123456789abcdef')
  const kept = Object.assign(Object.create(process), { [Symbol.asyncDispose]: async () => {} })
  await using redis = await startClaimedRedis({ process: kept })
  expect(redis.claim.state).toMatchObject({ why: expect.stringContaining('"perigee promote here --force"') })
  expect(await redis.claim.acceptLoss()).toEqual({ epoch: epochOf(redis), seq: 0 })
  expect(await redis.connection.call('GET', redis.keys.cluster)).toBe('0123456789abcdef')
})

it('leaves a Redis alone that is not the configured primary', async () => {
  await using redis = await startClaimedRedis({ regions: ['here', 'there'], primary: 'there' })
  expect(redis.claim.state).toEqual({ kind: 'not-chosen', chosen: 'there' })
})

it('refuses every write after a restart of Redis, claims anew, records the fork and goes on with the next seq', async () => {
  await using redis = await startClaimedRedis({
    config: {
      config: [
        ['appendonly', 'yes'],
        ['appendfsync', 'always'],
      ],
    },
  })
  const before = await redis.writer.setEntries('n', [entry], soon())
  await redis.process.kill()
  await redis.process.start()
  await vi.waitFor(() => expect(redis.claim.epoch).toBeGreaterThan(before.position.epoch), 10_000)
  const after = await redis.writer.setEntries('n', [entry], soon())
  expect(after.position).toEqual({ epoch: epochOf(redis), seq: before.position.seq + 1 })
  const { forks } = await redis.data.history(after.position)
  expect(forks.get(before.position.epoch)).toBe(before.position.seq)
})

it('joins a live claim instead of taking a new one', async () => {
  await using first = await startClaimedRedis()
  const process = Object.assign(Object.create(first.process), { [Symbol.asyncDispose]: async () => {} })
  await using second = await startClaimedRedis({ process })
  expect(epochOf(second)).toBe(epochOf(first))
})

it('never revives a lease that has run out', async () => {
  await using redis = await startClaimedRedis({ leaseMs: 100, renewMs: 60_000 })
  const epoch = epochOf(redis)
  await vi.waitFor(async () => {
    const status = (await redis.library.readText('status', [redis.keys.clock], [])) as string[]
    expect(status[4]).toContain('lease ran out')
  }, 2000)
  const renewal = redis.library.call('renew', [redis.keys.clock], [epoch, (Date.now() + 10_000) * 1000])
  await expect(renewal).rejects.toBeInstanceOf(RedisFailure)
  await expect(redis.writer.setEntries('n', [entry], soon())).rejects.toMatchObject({
    details: { reason: 'NO_PRIMARY' },
  })
})

it('is fenced at a replica, even one whose claim was live when it was demoted', async () => {
  await using redis = await startClaimedRedis()
  await using other = await startRedis()
  await redis.connection.call('REPLICAOF', other.host, other.port)
  await expect(redis.writer.setEntries('n', [entry], soon())).rejects.toMatchObject({
    details: { reason: 'NO_PRIMARY' },
  })
  await vi.waitFor(() => expect(redis.claim.state.kind).toBe('replica'), 5000)
  await expect(redis.data.clock({ primary: true })).rejects.toMatchObject({
    details: { reason: 'NO_PRIMARY' },
  })
})

it('claims above the epoch that the index Redis remembers, though the clock has gone back', async () => {
  await using process = await startRedis()
  const remembered = (Date.now() + 86_400_000) * 1000
  await process.command('SET', 'pg:{0}:claimed-epoch', String(remembered))
  const kept = Object.assign(Object.create(process), { [Symbol.asyncDispose]: async () => {} })
  await using redis = await startClaimedRedis({ process: kept })
  expect(epochOf(redis)).toBeGreaterThan(remembered)
})

it('never claims beside a newer library, and holds on to a claim that it has', async () => {
  await using redis = await startClaimedRedis()
  const before = epochOf(redis)
  const newer = librarySource().replaceAll('perigee_1', 'perigee_2').replaceAll('pg1_', 'pg2_')
  await redis.process.command('FUNCTION', 'LOAD', newer)
  await redis.claim.refresh()
  expect(epochOf(redis)).toBe(before)
  // A newer sidecar claims: the clock is of its epoch then.
  await redis.process.command('SET', redis.keys.clock, `${before + 1000}-0`)
  await vi.waitFor(() => expect(redis.claim.state).toEqual({ kind: 'outdated', version: 2 }), 5000)
})

it('waits until the lease of another Redis that has not let go is over', async () => {
  const there = new Map([['there', { epoch: 5, seq: 0 }]])
  const process = await startRedis()
  await process.command('SET', 'pg:{0}:clock', '5-0')
  const startedMs = performance.now()
  await using redis = await startClaimedRedis({
    ...{ process, regions: ['here', 'there'], others: there, leaseMs: 500, renewMs: 100 },
    farewells: new Farewells({
      ...{
        addresses: () => new Map([['there', '127.0.0.1:1']]),
        onGone: () => {},
        log: pino({ level: 'silent' }),
      },
      ask: async () => ({ gone: false, why: 'it is silent' }),
    }),
  })
  expect(redis.claim.state).toMatchObject({ kind: 'waiting', why: expect.stringContaining('old primary') })
  await vi.waitFor(() => epochOf(redis), 5000)
  expect(performance.now() - startedMs).toBeGreaterThan(550)
})

it('does not claim for a promotion beside one that started anew, forgot that it made way, and was claimed', async () => {
  const held = { epoch: 7, seq: 9 }
  const process = await startRedis()
  await process.command('SET', 'pg:{0}:clock', '7-9')
  let claimed = 8000
  await using redis = await startClaimedRedis({
    ...{ process, regions: ['here', 'there'], others: new Map([['there', held]]) },
    claimedElsewhere: () => claimed,
  })
  const promotion = redis.claim.takeOver({ silence: false, loss: true })
  await redis.claim.refresh()
  expect(redis.claim.state).toEqual({ kind: 'waiting', why: 'there is claimed' })
  claimed = 0
  expect(await promotion).toEqual({ epoch: epochOf(redis), seq: 9 })
})

it('under Sentinel claims once more, above the epoch that another one claimed by a clock that is ahead and nobody heard of', async () => {
  const others = new Map<string, Position | undefined>([['there', ORIGIN]])
  let claimed = 0
  await using redis = await startClaimedRedis({
    ...{ regions: ['here', 'there'], others, claimedElsewhere: () => claimed },
    wayOut: bySentinel,
  })
  const first = epochOf(redis)
  const { position } = await redis.writer.setEntries('n', [entry], soon())
  // It is back from behind a cut, with what it wrote there, and doesn't know better yet.
  const stray = first + 6_000_000
  claimed = stray
  others.set('there', { epoch: stray, seq: 7 })
  await redis.claim.refresh()
  expect(epochOf(redis)).toBe(first)
  // The Sentinels have told it.
  claimed = 0
  await redis.claim.refresh()
  await vi.waitFor(() => expect(epochOf(redis)).toBeGreaterThan(stray), 5000)
  const after = await redis.writer.setEntries('n', [entry], soon())
  expect(after.position).toEqual({ epoch: epochOf(redis), seq: position.seq + 1 })
  const { forks } = await redis.data.history(after.position)
  expect([...forks.keys()]).not.toContain(stray)
})

it('is claimed at every moment while it claims once more above a stray epoch, also as another sidecar of the region sees it', async () => {
  const others = new Map<string, Position | undefined>([['there', ORIGIN]])
  const told = { regions: ['here', 'there'], others, wayOut: bySentinel, renewMs: 20 }
  await using first = await startClaimedRedis(told)
  const process = Object.assign(Object.create(first.process), { [Symbol.asyncDispose]: async () => {} })
  await using second = await startClaimedRedis({ ...told, process })
  const stray = epochOf(first) + 6_000_000
  expect(epochOf(second)).toBe(epochOf(first))
  const seen: string[] = []
  for (const { claim } of [first, second]) claim.onChange(({ kind }) => seen.push(kind))
  others.set('there', { epoch: stray, seq: 7 })
  await vi.waitFor(() => {
    expect(epochOf(first)).toBeGreaterThan(stray)
    expect(epochOf(second)).toBe(epochOf(first))
  }, 5000)
  expect(new Set(seen)).toEqual(new Set(['claimed']))
})

it('supersedes its own live claim in one step while writes go on, and none that is another or over', async () => {
  await using redis = await startClaimedRedis({ renewMs: 60_000 })
  const { library, keys } = redis
  const epoch = epochOf(redis)
  const claim = async (above: number) => {
    const [, , nowUs, clock] = (await library.readText('status', [keys.clock], [])) as string[]
    if (above === epoch) await redis.writer.setEntries('n', [entry], soon())
    const names = [keys.clock, keys.log, keys.forks, keys.cluster, keys.appointment]
    const end = Number(nowUs) + 2_000_000
    return library.call('claim', names, [
      epoch + 1000,
      end,
      clock ?? '',
      'c',
      1000,
      nowUs ?? '',
      'here',
      '',
      above,
    ])
  }
  await expect(claim(epoch - 1)).rejects.toThrow('JOIN')
  expect(await claim(epoch)).toBe(`${epoch + 1000}-1`)
  await library.call('release', [keys.clock], ['*'])
  await expect(claim(epoch + 1000)).rejects.toThrow('CHANGED')
})

it('claims in the topology external whatever others hold, since nothing can keep it: the fork tells', async () => {
  const others = new Map([['there', { epoch: 7, seq: 9 }]])
  const process = await startRedis()
  await process.command('SET', 'pg:{0}:clock', '7-5')
  await using redis = await startClaimedRedis({
    ...{ process, regions: ['here', 'there'], others, leaseMs: 500, renewMs: 100 },
    ...{ authority: new ExternalAuthority(), wayOut: { by: 'nobody' } },
  })
  await vi.waitFor(() => expect(epochOf(redis)).toBeGreaterThan(7), 5000)
  expect(await redis.process.command('HGETALL', redis.keys.forks)).toEqual(['7', '5'])
})

it('takes no epoch for claimed once its lease is certainly over, though nobody told it so', async () => {
  await using redis = await startClaimedRedis({ leaseMs: 500, renewMs: 200 })
  expect(redis.claim.leaseLeftMs).toBeLessThanOrEqual(500)
  await redis.process.kill('SIGSTOP')
  try {
    await vi.waitFor(() => expect(redis.claim.epoch).toBeUndefined(), { timeout: 1000, interval: 10 })
    expect(redis.claim.state.kind).toBe('claimed')
    expect(redis.claim.leaseLeftMs).toBe(0)
  } finally {
    await redis.process.kill('SIGCONT')
  }
})
