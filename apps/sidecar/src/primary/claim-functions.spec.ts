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

it('drops the claim when the clock of the Redis goes back, refuses what was vouched for before, and claims anew', async () => {
  const process = await startRedis()
  // The library as it is, but for a clock that can be set.
  const clock =
    "(function() local t = redis.call('TIME') t[1] = t[1] + (tonumber(redis.call('GET', 'shift')) or 0) return t end)()"
  const source = librarySource().replace("redis.call('TIME')", clock)
  await process.command('FUNCTION', 'LOAD', source)
  await using redis = await startClaimedRedis({ process, renewMs: 60_000 })
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
