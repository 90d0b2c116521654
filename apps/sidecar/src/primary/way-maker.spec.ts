import { startRedis } from '@perigee/embedded-redis'
import { expect, it, vi } from 'vitest'
import { startClaimedRedis } from './claimed-redis.spec-support.ts'
import { OwnRedis } from './own-redis.ts'
import { RedisTime } from './redis-time.ts'
import { WayMaker } from './way-maker.ts'

const promoted = { region: 'there', id: 'one' }

async function start() {
  const redis = await startClaimedRedis({ regions: ['here', 'there'], others: new Map([['there', held]]) })
  const { library, keys } = redis
  const wayMaker = new WayMaker({ region: 'here', library, keys })
  const own = new OwnRedis({ library, keys, redisTime: new RedisTime() })
  return { redis, wayMaker, own, [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() }
}
const held = { epoch: 0, seq: 0 }

it('gives the claim up in the same step, tells how far it got, and lets nobody claim until it is over', async () => {
  await using here = await start()
  const { redis, wayMaker } = here
  const epoch = redis.claim.epoch ?? 0
  await redis.writer.setEntries('n', [{ key: 'k', value: new Uint8Array([1]), contentType: '' }], {
    deadlineMs: Date.now() + 5000,
  })
  expect(await wayMaker.makeWay(promoted, { holdMs: 60_000 })).toEqual({
    ...{ clock: { epoch, seq: 1 }, released: true, holdsWrites: false },
  })
  await redis.claim.refresh()
  expect(redis.claim.state).toMatchObject({
    kind: 'waiting',
    why: expect.stringContaining('there is being promoted'),
  })
  await wayMaker.makeWay(promoted, { holdMs: 0 })
  await vi.waitFor(() => expect(redis.claim.epoch).toBeGreaterThan(epoch), 5000)
})

it('keeps the claim if that is asked for, and holds its writes: the clock stays, reads of the primary and first answers go on', async () => {
  await using here = await start()
  const { redis, wayMaker } = here
  const epoch = redis.claim.epoch ?? 0
  const entry = { key: 'k', value: new Uint8Array([1]), contentType: '' }
  const once = () => ({ deadlineMs: Date.now() + 5000, requestId: 'once', bodyHash: 'aa' })
  const first = await redis.writer.setEntries('n', [entry], once())
  expect(await wayMaker.makeWay(promoted, { holdMs: 60_000, holdsWrites: true })).toEqual({
    ...{ clock: { epoch, seq: 1 }, released: false, holdsWrites: true },
  })
  await redis.claim.refresh()
  expect(redis.claim.epoch).toBe(epoch)
  expect(redis.claim.handingTo).toBe('there')
  await expect(
    redis.writer.setEntries('n', [entry], { deadlineMs: Date.now() + 5000 }),
  ).rejects.toMatchObject({
    details: { reason: 'NO_PRIMARY' },
  })
  expect(await redis.data.clock({ primary: true })).toEqual({ epoch, seq: 1 })
  expect(await redis.writer.setEntries('n', [entry], once())).toEqual(first)

  await wayMaker.makeWay(promoted, { holdMs: 0 })
  const { position } = await redis.writer.setEntries('n', [entry], { deadlineMs: Date.now() + 5000 })
  expect(position).toEqual({ epoch, seq: 2 })
})

it('is over by itself after a while', async () => {
  await using here = await start()
  const { redis, wayMaker } = here
  const epoch = redis.claim.epoch ?? 0
  await wayMaker.makeWay(promoted, { holdMs: 300 })
  await vi.waitFor(() => expect(redis.claim.epoch).toBeGreaterThan(epoch), 5000)
})

it('makes way for one region at a time, whoever promotes it, and only that promotion ends it', async () => {
  await using here = await start()
  const { wayMaker, own } = here
  await wayMaker.makeWay(promoted, { holdMs: 60_000 })
  await expect(wayMaker.makeWay({ region: 'elsewhere', id: 'two' }, { holdMs: 60_000 })).rejects.toThrow(
    'there is being promoted',
  )
  await wayMaker.makeWay({ region: 'there', id: 'three' }, { holdMs: 60_000 })
  await wayMaker.makeWay(promoted, { holdMs: 0 })
  const { makesWay, nowUs } = await own.look()
  expect(makesWay?.region).toBe('there')
  expect(makesWay?.untilUs).toBeGreaterThan(nowUs)
  await wayMaker.makeWay({ region: 'elsewhere', id: '*' }, { holdMs: 0 })
  await expect(wayMaker.makeWay({ region: 'elsewhere', id: 'two' }, { holdMs: 60_000 })).rejects.toThrow(
    'there is being promoted',
  )
  await wayMaker.makeWay({ region: 'there', id: '*' }, { holdMs: 0 })
  expect(await wayMaker.makeWay({ region: 'elsewhere', id: 'two' }, { holdMs: 60_000 })).toMatchObject({
    released: false,
  })
})

it('lets go as long as any promotion of the region relies on it, whatever another one of the same region does', async () => {
  await using here = await start()
  const { redis, wayMaker, own } = here
  const sibling = { region: 'there', id: 'two' }
  const leftMs = async () => {
    const { makesWay, nowUs } = await own.look()
    return ((makesWay?.untilUs ?? 0) - nowUs) / 1000
  }
  await wayMaker.makeWay(promoted, { holdMs: 60_000 })
  await wayMaker.makeWay(sibling, { holdMs: 1, holdsWrites: true })
  expect(await leftMs()).toBeGreaterThan(50_000)
  await wayMaker.makeWay(sibling, { holdMs: 5000, holdsWrites: true })
  await wayMaker.makeWay(sibling, { holdMs: 0 })
  expect(await leftMs()).toBeGreaterThan(50_000)
  await redis.claim.refresh()
  expect(redis.claim.state).toMatchObject({ kind: 'waiting' })
  await wayMaker.makeWay(promoted, { holdMs: 0 })
  expect(await leftMs()).toBeLessThanOrEqual(0)
})

it('gives a held claim up when another promotion of the same region needs that, and never takes that back', async () => {
  await using here = await start()
  const { redis, wayMaker } = here
  await wayMaker.makeWay(promoted, { holdMs: 60_000, holdsWrites: true })
  const sibling = { region: 'there', id: 'two' }
  expect(await wayMaker.makeWay(sibling, { holdMs: 30_000 })).toMatchObject({ released: true })
  expect(await wayMaker.makeWay(promoted, { holdMs: 60_000, holdsWrites: true })).toMatchObject({
    ...{ released: false, holdsWrites: false },
  })
  await redis.claim.refresh()
  expect(redis.claim.state).toMatchObject({ kind: 'waiting' })
})

it('leaves the claim of the region that is promoted itself alone', async () => {
  await using here = await start()
  const { redis, wayMaker } = here
  const { epoch } = redis.claim
  expect(await wayMaker.makeWay({ region: 'here', id: 'one' }, { holdMs: 60_000 })).toMatchObject({
    released: false,
  })
  await redis.claim.refresh()
  expect(redis.claim.epoch).toBe(epoch)
})

it('hands nothing over at the promoted region while that is only prepared, and keeps other regions from being promoted', async () => {
  await using here = await start()
  const { redis, wayMaker } = here
  const own = { region: 'here', id: 'one' }
  await redis.library.call('release', [redis.keys.clock], ['*'])
  await wayMaker.makeWay(own, { holdMs: 60_000, prepares: true })
  await redis.claim.stop()
  await expect(wayMaker.makeWay(promoted, { holdMs: 1000 })).rejects.toThrow('here is being promoted')
  expect((await here.own.look()).makesWay).toMatchObject({ region: 'here', handedUntilUs: 0 })
  await wayMaker.makeWay(own, { holdMs: 4000, holdsWrites: true })
  const { makesWay, nowUs } = await here.own.look()
  expect(makesWay?.handedUntilUs).toBeGreaterThan(nowUs)
})

it('works on a replica, and on an empty Redis that lacks the functions', async () => {
  await using here = await start()
  const { redis, wayMaker, own } = here
  await using primary = await startRedis()
  await redis.connection.call('FUNCTION', 'FLUSH')
  expect(await wayMaker.makeWay(promoted, { holdMs: 60_000 })).toMatchObject({ released: false })
  await redis.connection.call('REPLICAOF', primary.host, primary.port)
  expect((await own.look()).makesWay).toMatchObject({ region: 'there' })
})

it('writes the appointment with the claim of a promotion, and with no other', async () => {
  await using here = await start()
  const { redis, own } = here
  expect((await own.look()).appointment).toBeUndefined()
  const epoch = (redis.claim.epoch ?? 0) + 1_000_000
  const { library, keys } = redis
  await redis.claim.stop()
  await library.call('release', [keys.clock], ['*'])
  const nowUs = (await own.look()).nowUs
  await library.call(
    'claim',
    [keys.clock, keys.log, keys.forks, keys.cluster, keys.appointment],
    [
      epoch,
      nowUs + 2_000_000,
      String(await redis.connection.call('GET', keys.clock)),
      'id',
      1000,
      nowUs,
      'here',
      'appoint',
    ],
  )
  expect((await own.look()).appointment).toEqual({ region: 'here', epoch })
})
