import { describe, expect, it } from 'vitest'
import { text } from './codec.ts'
import { Perigee } from './perigee.ts'
import { smallRegions } from './spec/small-regions.ts'
import { SmallSidecar } from './spec/small-sidecar.ts'

const after = (ms: number) => () =>
  new Promise<undefined>((resolve) => {
    setTimeout(resolve, ms, undefined)
  })
const never = () => new Promise<undefined>(() => {})

describe('a hedged read', () => {
  it('that the first sidecar answers says nothing against the second', async () => {
    const { near, far, perigee, events } = await smallRegions({ hedgeAfterMs: 10 })
    const cache = perigee.cache('answers', { codec: text })
    near.intercept = after(40)
    far.intercept = after(250)
    const failures: number[] = []
    for (let i = 0; i < 12; i++) {
      await cache.get('a')
      await new Promise((resolve) => setTimeout(resolve, 110))
      const { endpoints } = await perigee.explain()
      failures.push(...endpoints.map(({ failuresInRow }) => failuresInRow))
    }
    expect(events.filter(({ type }) => type === 'hedged').length).toBeGreaterThan(9)
    expect(Math.max(...failures)).toBe(0)
  })

  it('is answered by a third sidecar when the first two never do', async () => {
    const { near, far, cluster } = await smallRegions()
    await using third = await SmallSidecar.start('ap-southeast-1', cluster)
    await using perigee = await Perigee.connect({
      region: 'eu-west-1',
      addresses: {
        'eu-west-1': near.address,
        'us-east-1': far.address,
        'ap-southeast-1': third.address,
      },
    })
    const cache = perigee.cache('answers', { codec: text })
    await cache.set('a', '1')
    near.intercept = far.intercept = never
    const entry = await cache.getEntry('a', { hedgeAfterMs: 50, timeoutMs: 1_500 })
    expect(entry?.receipt.region).toBe('ap-southeast-1')
  })
})

describe('one call that is slow', () => {
  it('puts no sidecar aside that answers its pings', async () => {
    const { near, perigee, events } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    for (let i = 0; i < 4; i++) {
      near.intercept = () => undefined
      await cache.set('a', '1')
      // At another moment between two pings each time.
      await new Promise((resolve) => setTimeout(resolve, 300 + i * 70))
      near.intercept = after(550)
      await cache.get('a', { timeoutMs: 1_000 })
    }
    expect(events.filter(({ type }) => type === 'failover')).toHaveLength(4)
    expect(events.filter(({ type }) => type === 'ejected')).toEqual([])
  })
})
