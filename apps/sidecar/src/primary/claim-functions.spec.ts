import { startRedis } from '@perigee/embedded-redis'
import { expect, it } from 'vitest'
import { librarySource } from '../redis/function-library.ts'
import { type ClaimedRedis, soon, startClaimedRedis } from './claimed-redis.spec-support.ts'

const HOUR_US = 3_600_000_000
const entry = { key: 'k', value: new Uint8Array([1]), contentType: '' }

/** What `status.lua` says. */
async function status({ library, keys }: ClaimedRedis) {
  const reply = (await library.readText('status', [keys.clock], [])) as string[]
  const [epoch, leaseEndUs, nowUs, clock = '', fenced = '', newest] = reply
  return {
    ...{ epoch: Number(epoch), leaseEndUs: Number(leaseEndUs), nowUs: Number(nowUs) },
    ...{ clock, fenced, newest: Number(newest) },
  }
}

function claimCall(redis: ClaimedRedis, clock: string, epoch: number, leaseEndUs: number, vouchedUs: number) {
  const { keys } = redis
  const names = [keys.clock, keys.log, keys.forks, keys.cluster]
  return redis.library.call('claim', names, [epoch, leaseEndUs, clock, 'c', 1000, vouchedUs])
}

/** One whose functions see a clock that can be set: the key `shift` holds by how many seconds. */
async function startShiftable(): Promise<ClaimedRedis> {
  const process = await startRedis()
  const clock =
    "(function() local t = redis.call('TIME') t[1] = t[1] + (tonumber(redis.call('GET', 'shift')) or 0) return t end)()"
  const source = librarySource().replace("redis.call('TIME')", clock)
  await process.command('FUNCTION', 'LOAD', source)
  return startClaimedRedis({ process, renewMs: 60_000 })
}

it('refuses a claim, and a renewal, by what vouched for the Redis before its claim was given up', async () => {
  await using redis = await startClaimedRedis({ renewMs: 60_000 })
  const before = await status(redis)
  expect(await redis.library.call('release', [redis.keys.clock], [before.epoch])).toBe(1)
  const after = await status(redis)
  expect(after).toMatchObject({ epoch: 0, newest: before.epoch })
  expect(after.fenced).not.toBe('')
  const end = after.nowUs + HOUR_US
  await expect(claimCall(redis, after.clock, before.epoch + 1, end, before.nowUs)).rejects.toThrow('OUTDATED')
  expect(await claimCall(redis, after.clock, before.epoch + 1, end, after.nowUs)).toContain('-')
  const renewal = redis.library.call('renew', [redis.keys.clock], [before.epoch + 1, end, before.nowUs])
  await expect(renewal).rejects.toThrow('OUTDATED')
})

it('remembers that a claim was given up even where there was none: who asked for it may be claimed', async () => {
  await using redis = await startClaimedRedis({ primary: 'there', regions: ['here', 'there'] })
  await redis.library.load()
  const before = await status(redis)
  expect(await redis.library.call('release', [redis.keys.clock], ['*'])).toBe(0)
  await expect(claimCall(redis, '', 5000, before.nowUs + HOUR_US, before.nowUs)).rejects.toThrow('OUTDATED')
})

it('leaves a claim of another epoch alone when it is told to give one up', async () => {
  await using redis = await startClaimedRedis({ renewMs: 60_000 })
  const { epoch } = await status(redis)
  expect(await redis.library.call('release', [redis.keys.clock], [epoch - 1])).toBe(0)
  expect(await status(redis)).toMatchObject({ epoch, fenced: '' })
})

it('makes way no longer, and no shorter, when the clock of the Redis goes back', async () => {
  await using redis = await startShiftable()
  const { process, library, keys } = redis
  const untilMs = async () => {
    const reply = (await library.readText('status', [keys.clock], [])) as string[]
    return (Number(reply[8]) - Number(reply[2])) / 1000
  }
  const makeWay = (id: string, holdMs: number) =>
    library.readText('make_way', [keys.clock], ['there', id, holdMs * 1000, 'here', 'hold'])
  await makeWay('over', 1)
  await expect.poll(untilMs).toBeLessThanOrEqual(0)
  await process.command('SET', 'shift', '-30')
  expect(await untilMs()).toBeLessThanOrEqual(0)
  await makeWay('on', 20_000)
  await process.command('SET', 'shift', '-60')
  expect(await untilMs()).toBeLessThanOrEqual(20_000)
  expect(await untilMs()).toBeGreaterThan(15_000)
})

it('drops the claim when the clock of the Redis goes back, refuses what was vouched for before, and claims anew', async () => {
  await using redis = await startShiftable()
  const { process } = redis
  const before = await status(redis)
  expect(before.fenced).toBe('')

  await process.command('SET', 'shift', '-30')
  const back = await status(redis)
  expect(back).toMatchObject({ epoch: 0, newest: before.epoch })
  await expect(redis.writer.setEntries('n', [entry], soon())).rejects.toMatchObject({
    details: { reason: 'NO_PRIMARY' },
  })
  const late = claimCall(redis, back.clock, before.epoch + 1, before.nowUs + HOUR_US, before.nowUs)
  await expect(late).rejects.toThrow('OUTDATED')

  await redis.claim.refresh()
  expect(redis.claim.epoch).toBeGreaterThan(before.epoch)
  const written = await redis.writer.setEntries('n', [entry], soon())
  expect(written.position.epoch).toBe(redis.claim.epoch)
})
