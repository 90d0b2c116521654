import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { text } from './codec.ts'
import { Perigee } from './perigee.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { SmallSidecar } from './spec/small-sidecar.ts'

/** Nothing listens there. */
const NOBODY = '127.0.0.1:1'

// The machine's own region says nothing here.
beforeAll(() => {
  vi.stubEnv('REGION', '')
  vi.stubEnv('AWS_REGION', '')
})
afterAll(() => vi.unstubAllEnvs())

describe('connecting', () => {
  it('puts regions in order of their distance from the one it is in', async () => {
    const addresses = { 'ap-southeast-1': NOBODY, 'us-east-1': NOBODY, 'eu-west-1': NOBODY }
    await using perigee = await Perigee.connect({ region: 'eu-west-1', addresses })
    expect(perigee.regions).toEqual(['eu-west-1', 'us-east-1', 'ap-southeast-1'])
  })

  it('takes the nearest regions when there is none where it is', async () => {
    const addresses = { 'us-east-1': NOBODY, 'ap-southeast-1': NOBODY, 'eu-west-1': NOBODY }
    await using perigee = await Perigee.connect({ region: 'europe-west3', addresses })
    expect(perigee.regions).toEqual(['eu-west-1', 'us-east-1', 'ap-southeast-1'])
  })

  it('measures round trips when it does not know where it is', async () => {
    await using slow = await SmallSidecar.start('slow')
    await using quick = await SmallSidecar.start('quick')
    slow.intercept = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30))
      return undefined
    }
    const addresses = { down: NOBODY, slow: slow.address, quick: quick.address }
    await using perigee = await Perigee.connect({ addresses })
    expect(perigee.regions).toEqual(['quick', 'slow', 'down'])
  })

  it('measures the other regions when their places are unknown', async () => {
    await using slow = await SmallSidecar.start('slow')
    await using quick = await SmallSidecar.start('quick')
    slow.intercept = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30))
      return undefined
    }
    const addresses = { slow: slow.address, quick: quick.address, mine: NOBODY }
    await using perigee = await Perigee.connect({ addresses, region: 'mine' })
    expect(perigee.regions).toEqual(['mine', 'quick', 'slow'])
  })

  it('works while every region is down, and calls work once one is up', async () => {
    const port = await SmallSidecar.start('eu-west-1').then(async (sidecar) => {
      await sidecar.kill()
      return sidecar.port
    })
    await using perigee = await Perigee.connect({ addresses: { 'eu-west-1': `127.0.0.1:${port}` } })
    const cache = perigee.cache('answers', { codec: text })
    expect(await failure(cache.get('a'))).toMatchObject({ code: 'UNAVAILABLE' })
    await using sidecar = await SmallSidecar.start('eu-west-1', undefined, port)
    await cache.set('a', '1')
    expect(sidecar.calls('Set')).toHaveLength(1)
  })

  it('works without any name resolving, and calls say what was looked up', async () => {
    const start = performance.now()
    await using perigee = await Perigee.connect({
      domain: 'nowhere.invalid',
      regions: ['eu-west-1', 'us-east-1'],
      region: 'eu-west-1',
      dns: '127.0.0.1:1',
    })
    expect(performance.now() - start).toBeLessThan(2_500)
    const error = await failure(perigee.cache('answers').get('a'))
    expect(error.code).toBe('UNAVAILABLE')
    expect(error.message).toContain('api.eu-west-1.nowhere.invalid')
  })

  it('refuses options that can not be meant', async () => {
    expect(await failure(Perigee.connect({ domain: 'rag.internal' }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})

describe('closing', () => {
  it('gives up what is in flight and refuses what comes after', async () => {
    const { perigee, near } = await smallRegions()
    near.intercept = () => new Promise(() => {})
    const cache = perigee.cache('answers')
    const inFlight = failure(cache.get('a'))
    await expect.poll(() => near.received.length).toBe(1)
    await perigee.close()
    await perigee.close()
    expect(await inFlight).toMatchObject({ code: 'CANCELLED' })
    const after = await failure(cache.get('a'))
    expect(after).toMatchObject({ code: 'CANCELLED' })
    expect(after.message).toContain('closed')
  })
})

describe('the cluster', () => {
  it('lists indexes', async () => {
    const { perigee, near } = await smallRegions()
    near.intercept = (method) =>
      method === 'ListIndexes' ? { indexes: [{ name: 'docs', dimensions: 3 }] } : undefined
    const names: string[] = []
    for await (const { name } of perigee.indexes()) names.push(name)
    expect(names).toEqual(['docs'])
  })

  it('is watched until the loop is left', async () => {
    const { perigee } = await smallRegions()
    for await (const status of perigee.cluster.watchStatus()) {
      expect(status.region).toBe('eu-west-1')
      break
    }
  })
})
