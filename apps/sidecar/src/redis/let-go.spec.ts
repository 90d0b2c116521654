import { startRedis } from '@perigee/embedded-redis'
import { expect, it } from 'vitest'
import { startClaimedRedis } from '../primary/claimed-redis.spec-support.ts'
import { askToLetGo } from './let-go.ts'

const ask = (port: number, more: Partial<Parameters<typeof askToLetGo>[0]> = {}) =>
  askToLetGo({
    ...{ url: 'redis://127.0.0.1:1', address: `127.0.0.1:${port}`, clockKey: 'pg:{0}:clock' },
    ...{ mayRelease: true, timeoutMs: 300 },
    ...more,
  })

it('is done by a Redis whose process is gone', async () => {
  const process = await startRedis()
  await process.kill()
  expect(await ask(process.port)).toEqual({ gone: true, because: 'refused' })
  await process[Symbol.asyncDispose]()
})

it('is done by a claimed one that is told to', async () => {
  await using redis = await startClaimedRedis({ renewMs: 60_000 })
  const position = await redis.data.clock({ primary: true })
  expect(await ask(redis.process.port)).toMatchObject({
    ...{ gone: true, because: 'released' },
    holds: { position, mayLack: false, usedMemoryBytes: expect.any(Number) },
  })
  const [epoch] = (await redis.library.readText('status', [redis.keys.clock], [])) as string[]
  expect(epoch).toBe('')
})

it('is done by one that was never claimed; it may lack what it had acknowledged in another life', async () => {
  await using redis = await startClaimedRedis({ primary: 'there', regions: ['here', 'there'] })
  await redis.library.load()
  await redis.process.command('SET', redis.keys.clock, '7-5')
  expect(await ask(redis.process.port)).toMatchObject({
    because: 'released',
    holds: { position: { epoch: 7, seq: 5 }, mayLack: true },
  })
})

it('is not done by a claimed one where the role alone decides', async () => {
  await using redis = await startClaimedRedis({ renewMs: 60_000 })
  expect(await ask(redis.process.port, { mayRelease: false })).toMatchObject({ gone: false })
  expect(redis.claim.epoch).toBeDefined()
})

it('is done by a replica', async () => {
  await using redis = await startRedis()
  await redis.command('REPLICAOF', '127.0.0.1', '1')
  expect(await ask(redis.port)).toEqual({ gone: true, because: 'replica' })
})

it('is not done by one that is silent: a paused process wakes with its claim', async () => {
  await using redis = await startRedis()
  await redis.kill('SIGSTOP')
  expect(await ask(redis.port)).toMatchObject({ gone: false })
  await redis.kill('SIGCONT')
})

it('is not done by one that has no functions, or lets nobody in', async () => {
  await using redis = await startRedis()
  expect(await ask(redis.port)).toMatchObject({ gone: false, why: expect.stringContaining('no function') })
  await redis.command('CONFIG', 'SET', 'requirepass', 'secret')
  expect(await ask(redis.port)).toMatchObject({ gone: false })
})
