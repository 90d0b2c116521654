import { expect, it } from 'vitest'
import { startClaimedRedis } from '../../primary/claimed-redis.spec-support.ts'
import type { FailoverRequest } from '../../primary/failover-request.ts'
import type { SentinelWatch } from '../../primary/sentinel-watch.ts'
import { ForcedPromotion } from './forced-promotion.ts'

const address = '127.0.0.1:6379'

/** A region that is named, and may not claim: the other one is silent. */
async function start() {
  const redis = await startClaimedRedis({
    ...{ regions: ['here', 'there'], others: new Map([['there', undefined]]), leaseMs: 300, renewMs: 100 },
  })
  const forced = new ForcedPromotion({
    ...{ region: 'here', address, claim: redis.claim, others: [], leaseMs: 300 },
    watch: { naming: { address, sinceMs: 0 } } as unknown as SentinelWatch,
    failover: { ask: () => {} } as unknown as FailoverRequest,
  })
  return { redis, forced, [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() }
}

it('claims though others are silent, once it has waited long enough for a claim without that', async () => {
  await using here = await start()
  const steps: string[] = []
  for await (const { step } of here.forced.run(new AbortController().signal)) steps.push(step)
  expect(steps).toContainEqual(expect.stringContaining('accepting the loss'))
  expect(here.redis.claim.epoch).toBeGreaterThan(0)
})

it('accepts no loss when the caller goes away while it waits for the claim', async () => {
  await using here = await start()
  const caller = new AbortController()
  const run = async () => {
    for await (const { step } of here.forced.run(caller.signal)) {
      if (step.startsWith('waiting')) setTimeout(() => caller.abort(), 50)
    }
  }
  await expect(run()).rejects.toMatchObject({ status: 'CANCELLED' })
  expect(here.redis.claim.epoch).toBeUndefined()
})
