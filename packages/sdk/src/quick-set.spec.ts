import type { SetRequest } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { bytes, json, text } from './codec.ts'
import { openStream } from './spec/open-stream.ts'
import { BrokenOff } from './spec/refusal.ts'
import { failure } from './spec/small-regions.ts'
import { Refusal, type SmallSidecar } from './spec/small-sidecar.ts'

const never = () => new Promise<undefined>(() => {})

const sets = (sidecar: SmallSidecar) => sidecar.calls('Set') as SetRequest[]

describe('a plain Set', () => {
  it('says all that its caller wants', async () => {
    const { near, far, perigee, session } = await openStream()
    await session.cache('answers', { codec: text }).set('a', 'b', { ttlMs: 1_500, timeoutMs: 700 })
    await perigee.cache('raw', { codec: bytes }).set('é', new Uint8Array(3), { durability: 'replicated' })
    await perigee.cache('raw', { codec: json() }).set('big', 'x'.repeat(300_000))
    const [first, second, third] = sets(near)
    expect(first).toMatchObject({ namespace: 'answers', key: 'a', contentType: 'text/plain; charset=utf-8' })
    expect(Buffer.from(first?.value ?? []).toString()).toBe('b')
    expect(first?.ttl).toMatchObject({ seconds: 1n, nanos: 500_000_000 })
    expect(first?.options?.sessionToken.length).toBeGreaterThan(0)
    // All of its time: whatever sidecar it is sent to, it goes to the same primary.
    expect(near.multiplex.calls[0]?.timeoutMs).toBe(700)
    expect(second).toMatchObject({ key: 'é', options: { durability: 2 } })
    expect(Buffer.from(second?.value ?? [])).toEqual(Buffer.alloc(3))
    expect(second?.options?.sessionToken).toHaveLength(0)
    expect(third?.value).toHaveLength(300_002)
    const ids = [first, second, third].map((set) => set?.options?.requestId)
    expect(new Set(ids).size).toBe(3)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect(far.calls('Set')).toHaveLength(0)
  })

  it('gives its version and where it was done, and moves its session', async () => {
    const { cluster, session, cache, near } = await openStream()
    const before = session.token
    const done = await Promise.all(Array.from({ length: 50 }, (_, i) => cache.set(`k${i}`, 'v')))
    expect(near.multiplex.frames).toHaveLength(1)
    expect(done.map(({ version }) => version)).toEqual(done.map((_, i) => `1-${i + 2}`))
    expect(done[7]?.receipt).toEqual({ region: 'eu-west-1', fallback: false, waitedMs: 0, warnings: [] })
    expect(session.token).not.toBe(before)
    expect(cluster.seq).toBe(51)
  })

  it.each([
    ['refuses', () => new Refusal('OVERLOADED')],
    ['has no primary', () => new Refusal('NO_PRIMARY')],
    ['does not know what became of', () => new Refusal('OUTCOME_UNKNOWN')],
    ['breaks off', () => new BrokenOff('Session closed with error code 2')],
  ])('that the nearest sidecar %s goes on to the next, with its request id', async (_, error) => {
    const { near, far, cache, events, inFlight } = await openStream()
    near.intercept = () => {
      throw error()
    }
    const { receipt } = await cache.set('a', '2')
    expect(receipt.region).toBe('us-east-1')
    const [first, again] = [sets(near), sets(far)]
    expect(again).toHaveLength(1)
    expect(again[0]?.options?.requestId).toBe(first[0]?.options?.requestId)
    expect(Buffer.from(again[0]?.value ?? []).toString()).toBe('2')
    expect(events.map(({ type }) => type)).toEqual(['failover'])
    expect(await inFlight()).toEqual([0, 0])
  })

  it('that may have been done is said to be so, whatever the next one says', async () => {
    const { near, far, cache } = await openStream()
    near.intercept = () => {
      throw new BrokenOff('Session closed with error code 2')
    }
    far.intercept = () => {
      throw new Refusal('NO_PRIMARY')
    }
    expect(await failure(cache.set('a', '2', { timeoutMs: 1_000 }))).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'OUTCOME_UNKNOWN',
    })
  })

  it('that is certainly not done is never said to be unknown', async () => {
    const { near, far, cache } = await openStream()
    near.intercept = far.intercept = () => {
      throw new Refusal('NO_PRIMARY')
    }
    const error = await failure(cache.set('a', '2', { timeoutMs: 1_000 }))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_PRIMARY' })
  })

  it('that takes long is sent to the next too, and stays under way', async () => {
    const { near, far, cache, events, inFlight } = await openStream()
    far.intercept = never
    let answer = (_: undefined) => {}
    near.intercept = () => new Promise((resolve) => (answer = resolve))
    const startedAt = performance.now()
    const set = cache.set('a', '2', { timeoutMs: 1_200 })
    await expect.poll(() => sets(far), { timeout: 1_100 }).toHaveLength(1)
    expect(performance.now() - startedAt).toBeGreaterThan(590)
    expect(await inFlight()).toEqual([1, 1])
    expect(sets(far)[0]?.options?.requestId).toBe(sets(near)[0]?.options?.requestId)
    expect(near.multiplex.frames.flatMap((frame) => frame.cancels)).toEqual([])
    answer(undefined)
    expect((await set).receipt.region).toBe('eu-west-1')
    expect(events.map(({ type }) => type)).toEqual(['hedged'])
    // The other one isn't wanted any more.
    await expect.poll(() => far.multiplex.frames.flatMap((frame) => frame.cancels)).toHaveLength(1)
    expect(await inFlight()).toEqual([0, 0])
  })

  it('that takes long is given up when the next one has answered', async () => {
    const { near, far, cache, inFlight } = await openStream()
    near.intercept = never
    expect((await cache.set('a', '2', { timeoutMs: 600 })).receipt.region).toBe('us-east-1')
    expect(sets(far)).toHaveLength(1)
    const cancels = () => near.multiplex.frames.flatMap((frame) => frame.cancels)
    await expect.poll(cancels).toEqual([near.multiplex.calls[0]?.id])
    expect(await inFlight()).toEqual([0, 0])
  })

  it('that takes long, and breaks off then, waits for the next one', async () => {
    const { near, far, cache } = await openStream()
    let fail = (_: Error) => {}
    near.intercept = () => new Promise((_, reject) => (fail = reject))
    far.intercept = () => new Promise((resolve) => setTimeout(resolve, 200, undefined))
    const set = cache.set('a', '2', { timeoutMs: 1_200 })
    await expect.poll(() => sets(far), { timeout: 1_100 }).toHaveLength(1)
    fail(new BrokenOff('Session closed with error code 2'))
    expect((await set).receipt.region).toBe('us-east-1')
  })

  it('ends in time when nobody answers', async () => {
    const { near, far, cache, inFlight } = await openStream()
    near.intercept = far.intercept = never
    const startedAt = performance.now()
    const error = await failure(cache.set('a', '2', { timeoutMs: 400 }))
    expect(performance.now() - startedAt).toBeGreaterThan(390)
    expect(performance.now() - startedAt).toBeLessThan(600)
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(error.message).toContain('within 400 ms')
    expect(await inFlight()).toEqual([0, 0])
  })

  it('is not sent again when too many have been', async () => {
    const { near, far, cache, events } = await openStream({ retryBudget: { share: 0, perSecond: 0 } })
    near.intercept = () => {
      throw new Refusal('OVERLOADED')
    }
    expect(await failure(cache.set('a', '2'))).toMatchObject({ reason: 'OVERLOADED' })
    expect(events.map(({ type }) => type)).toEqual(['retry-refused'])
    expect(far.calls('Set')).toHaveLength(0)
  })

  it('tells its session of lost history', async () => {
    const { near, session, cache } = await openStream()
    near.intercept = () => {
      throw new Refusal('LOST_HISTORY', 'what to do')
    }
    expect(await failure(cache.set('a', '2'))).toMatchObject({ code: 'DATA_LOSS', reason: 'LOST_HISTORY' })
    session.acceptLoss()
    expect(session.token).toBe('')
  })

  it('ends with the client', async () => {
    const { near, cache, perigee } = await openStream()
    near.intercept = never
    const error = failure(cache.set('a', '2'))
    await expect.poll(() => near.multiplex.calls).toHaveLength(1)
    await perigee.close()
    expect(await error).toMatchObject({ code: 'CANCELLED' })
  })
})
