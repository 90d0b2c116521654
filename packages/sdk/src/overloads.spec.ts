import { describe, expect, it } from 'vitest'
import { text } from './codec.ts'
import { Perigee } from './perigee.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { Refusal, SmallSidecar } from './spec/small-sidecar.ts'

/** Turns the first calls away, and notes when each came. */
function turnAway(sidecar: SmallSidecar, { times, delayMs }: { times: number; delayMs: number }): number[] {
  const cameAt: number[] = []
  sidecar.intercept = () => {
    cameAt.push(performance.now())
    if (cameAt.length <= times) throw new Refusal('OVERLOADED', 'too much to do', {}, delayMs)
    return undefined
  }
  return cameAt
}

describe('a call that the only sidecar turns away', () => {
  it.each(['get', 'set'] as const)('asks again, no sooner than it was told: %s', async (what) => {
    await using sidecar = await SmallSidecar.start('eu-west-1')
    await using perigee = await Perigee.connect({
      region: 'eu-west-1',
      addresses: { 'eu-west-1': sidecar.address },
    })
    const cache = perigee.cache('answers', { codec: text })
    await cache.set('a', '1')
    const cameAt = turnAway(sidecar, { times: 1, delayMs: 700 })
    await (what === 'get' ? cache.get('a') : cache.set('a', '2'))
    expect(cameAt).toHaveLength(2)
    expect((cameAt[1] ?? 0) - (cameAt[0] ?? 0)).toBeGreaterThanOrEqual(700)
  })

  it('fails at once when it would have to wait beyond its deadline', async () => {
    await using sidecar = await SmallSidecar.start('eu-west-1')
    await using perigee = await Perigee.connect({
      region: 'eu-west-1',
      addresses: { 'eu-west-1': sidecar.address },
    })
    const cache = perigee.cache('answers', { codec: text })
    const cameAt = turnAway(sidecar, { times: 10, delayMs: 60_000 })
    const startedAt = performance.now()
    const error = await failure(cache.get('a', { timeoutMs: 5000 }))
    expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'OVERLOADED', retryDelayMs: 60_000 })
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect(cameAt).toHaveLength(1)
  })
})

describe('a sidecar that has turned a call away', () => {
  it('is asked last until the time it named has passed, and first again then', async () => {
    const { near, far, perigee } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    await cache.set('a', '1')
    const cameAt = turnAway(near, { times: 1, delayMs: 800 })
    for (let i = 0; i < 5; i++) expect((await cache.getEntry('a'))?.receipt.region).toBe('us-east-1')
    expect(cameAt).toHaveLength(1)
    expect(far.calls('Get')).toHaveLength(5)
    await expect.poll(async () => (await cache.getEntry('a'))?.receipt.region).toBe('eu-west-1')
    expect((cameAt[1] ?? 0) - (cameAt[0] ?? 0)).toBeGreaterThanOrEqual(800)
  })
})
