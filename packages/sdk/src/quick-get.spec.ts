import type { GetRequest } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { text } from './codec.ts'
import { Perigee } from './perigee.ts'
import { runWithSession } from './session.ts'
import { openStream } from './spec/open-stream.ts'
import { BrokenOff } from './spec/refusal.ts'
import { failure } from './spec/small-regions.ts'
import { Refusal, SmallCluster, SmallSidecar } from './spec/small-sidecar.ts'

const never = () => new Promise<undefined>(() => {})

describe('a plain Get', () => {
  it('says no more than it has to', async () => {
    const { near, perigee } = await openStream()
    await perigee.cache('answers', { codec: text }).get('a')
    await perigee.cache('answers', { codec: text }).get('a', { consistency: 'primary', timeoutMs: 700 })
    const [first, second] = near.multiplex.calls
    const optionsOf = (call: typeof first) => (call?.request.value as GetRequest | undefined)?.options
    expect(first?.request.value).toMatchObject({ key: 'a', namespace: 'answers' })
    expect(optionsOf(first)).toBeUndefined()
    expect(optionsOf(second)).toMatchObject({ consistency: 3 })
    // Half of it is left for the other region.
    expect(second?.timeoutMs).toBe(350)
  })

  it('moves its session, as one of its answers does for all of a frame', async () => {
    const { near, cluster, session, cache } = await openStream()
    const before = session.token
    cluster.seq = 70
    near.multiplex.frames.length = 0
    expect(await Promise.all(Array.from({ length: 50 }, () => cache.get('a')))).toEqual(Array(50).fill('1'))
    expect(near.multiplex.frames).toHaveLength(1)
    expect(session.token).not.toBe(before)
    const there = session.token
    await cache.getEntry('a')
    expect(session.token).toBe(there)
  })

  it.each([
    ['refuses', () => new Refusal('OVERLOADED')],
    ['fails', () => new Refusal('DATA_UNAVAILABLE')],
    ['breaks off', () => new BrokenOff('Session closed with error code 2')],
  ])('that the nearest sidecar %s goes on to the next', async (_, error) => {
    const { near, far, cache, events, inFlight } = await openStream()
    near.intercept = () => {
      throw error()
    }
    expect(await cache.get('a')).toBe('1')
    expect(far.calls('Get')).toHaveLength(1)
    expect(events.map(({ type }) => type)).toEqual(['failover'])
    expect(await inFlight()).toEqual([0, 0])
  })

  it('that the nearest sidecar does not answer goes on to the next after half of its time', async () => {
    const { near, cache, inFlight } = await openStream()
    near.intercept = never
    const startedAt = performance.now()
    const value = cache.get('a', { timeoutMs: 800 })
    expect(await inFlight()).toContain(1)
    expect(await value).toBe('1')
    expect(performance.now() - startedAt).toBeGreaterThan(390)
    expect(performance.now() - startedAt).toBeLessThan(600)
    const cancels = () => near.multiplex.frames.flatMap((frame) => frame.cancels)
    await expect.poll(cancels).toEqual([near.multiplex.calls[0]?.id])
    expect(await inFlight()).toEqual([0, 0])
  })

  it('ends in time when nobody answers', async () => {
    const { near, far, cache } = await openStream()
    near.intercept = far.intercept = never
    const startedAt = performance.now()
    const error = await failure(cache.get('a', { timeoutMs: 400 }))
    expect(performance.now() - startedAt).toBeLessThan(600)
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(error.message).toContain('within 400 ms')
  })

  it('is not sent again when too many have been', async () => {
    const { near, far, cache, events } = await openStream({ retryBudget: { share: 0, perSecond: 0 } })
    near.intercept = () => {
      throw new Refusal('OVERLOADED')
    }
    expect(await failure(cache.get('a'))).toMatchObject({ reason: 'OVERLOADED' })
    expect(events.map(({ type }) => type)).toEqual(['retry-refused'])
    expect(far.calls('Get')).toHaveLength(0)
  })

  it('tells its session of lost history, once for all', async () => {
    const { near, session, cache } = await openStream()
    near.intercept = () => {
      throw new Refusal('LOST_HISTORY', 'what to do')
    }
    expect(await failure(cache.get('a'))).toMatchObject({ code: 'DATA_LOSS', reason: 'LOST_HISTORY' })
    expect(session.token).not.toBe('')
    session.acceptLoss()
    expect(session.token).toBe('')
  })

  it('that fails goes on in the session it was made in', async () => {
    const { near, far, perigee } = await openStream()
    const session = perigee.session()
    const cache = perigee.cache('answers', { codec: text })
    await runWithSession(session, () => cache.set('b', '2'))
    near.intercept = () => {
      throw new Refusal('OVERLOADED')
    }
    await runWithSession(session, () => cache.get('b'))
    const [again] = far.calls('Get') as GetRequest[]
    expect(again?.options?.sessionToken.length).toBeGreaterThan(0)
    near.intercept = () => {
      throw new Refusal('LOST_HISTORY')
    }
    await failure(runWithSession(session, () => cache.get('b')))
    session.acceptLoss()
    expect(session.token).toBe('')
  })

  it('ends with the client', async () => {
    const { near, cache, perigee } = await openStream()
    near.intercept = never
    const error = failure(cache.get('a'))
    await expect.poll(() => near.multiplex.calls).toHaveLength(1)
    await perigee.close()
    expect(await error).toMatchObject({ code: 'CANCELLED' })
  })

  it('goes to the sidecar of the region that has the fewest under way', async () => {
    const cluster = new SmallCluster()
    await using one = await SmallSidecar.start('eu-west-1', cluster, 0, false)
    await using two = await SmallSidecar.start('eu-west-1', cluster, 0, false)
    await using perigee = await Perigee.connect({ addresses: { 'eu-west-1': [one.address, two.address] } })
    const cache = perigee.cache('answers', { codec: text })
    await Promise.all(Array.from({ length: 8 }, () => cache.getEntry('a')))
    one.multiplex.frames.length = two.multiplex.frames.length = 0
    await Promise.all(Array.from({ length: 100 }, () => cache.get('a')))
    expect([one, two].map(({ multiplex }) => multiplex.calls.length)).toEqual([50, 50])
  })
})
