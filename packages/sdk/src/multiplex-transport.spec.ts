import { create } from '@bufbuild/protobuf'
import { CacheService, GetRequestSchema, type SetRequest, SetRequestSchema } from '@perigee/protocol'
import { describe, expect, it, onTestFinished } from 'vitest'
import { text } from './codec.ts'
import { Deadline } from './deadline.ts'
import { MultiplexTransport } from './multiplex-transport.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { Refusal, SmallCluster, SmallSidecar } from './spec/small-sidecar.ts'
import type { AttemptOptions } from './transport.ts'
import { judge, mayHaveDone, neverSent } from './verdict.ts'

const never = () => new Promise<undefined>(() => {})

async function oneSidecar(sidecar?: SmallSidecar) {
  const near = sidecar ?? (await SmallSidecar.start('eu-west-1', new SmallCluster(), 0, false))
  const transport = new MultiplexTransport()
  onTestFinished(async () => {
    transport.close()
    await near.kill()
  })
  const endpoint = { region: 'eu-west-1', address: near.address }
  const options = ({ timeoutMs = 2_000, ...more }: Partial<AttemptOptions> & { timeoutMs?: number }) => ({
    ...{ deadline: Deadline.in(timeoutMs), connectTimeoutMs: 500 },
    ...more,
  })
  const get = (key: string, more: Partial<AttemptOptions> & { timeoutMs?: number } = {}) => {
    const request = () => create(GetRequestSchema, { namespace: 'n', key })
    return transport.unary(endpoint, CacheService.method.get, request, options(more))
  }
  const set = (key: string, bytes = 1, timeoutMs = 2_000) => {
    const request = () => create(SetRequestSchema, { namespace: 'n', key, value: new Uint8Array(bytes) })
    return transport.unary(endpoint, CacheService.method.set, request, options({ timeoutMs }))
  }
  await get('first')
  near.multiplex.frames.length = 0
  return { sidecar: near, transport, endpoint, get, set }
}

const many = <T>(count: number, what: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => what(i))

describe('a frame', () => {
  it('holds the calls of one turn, 128 at most', async () => {
    const { sidecar, get } = await oneSidecar()
    await Promise.all(many(300, (i) => get(`k${i}`)))
    expect(sidecar.multiplex.frames.map(({ calls }) => calls.length)).toEqual([128, 128, 44])
    const asked = sidecar.calls('Get').map((request) => (request as { key?: string }).key)
    expect(asked.slice(1)).toEqual(many(300, (i) => `k${i}`))
  })

  it('is a mebibyte at most, and larger requests go by themselves', async () => {
    const { sidecar, set } = await oneSidecar()
    await Promise.all([...many(12, (i) => set(`k${i}`, 200_000)), set('large', 900_000)])
    const sizes = sidecar.multiplex.frames.map(({ calls }) =>
      calls.reduce((sum, { request }) => sum + (request.value as SetRequest).value.length, 0),
    )
    expect(sizes[0]).toBe(1_000_000)
    expect(Math.max(...sizes)).toBe(1_000_000)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(2_400_000)
    expect(sidecar.calls('Set')).toHaveLength(13)
  })

  it('holds a session once, and no options but what they say', async () => {
    const { near, perigee } = await smallRegions()
    const cache = perigee.session().cache('answers', { codec: text })
    await cache.set('a', '1')
    near.multiplex.frames.length = 0
    await Promise.all(many(5, () => cache.get('a')))
    await Promise.all(many(5, () => cache.getEntry('a', { consistency: 'eventual' })))
    const { frames } = near.multiplex

    expect(frames.map(({ calls, sessionTokens }) => [calls.length, sessionTokens.length])).toEqual([
      [5, 1],
      [5, 1],
    ])
    for (const { calls } of frames) expect(calls.map(({ session }) => session)).toEqual([1, 1, 1, 1, 1])
  })
})

describe('a call', () => {
  it('that its signal gives up is cancelled, and others go on', async () => {
    const { sidecar, get } = await oneSidecar()
    const abort = new AbortController()
    sidecar.intercept = never
    const given = failure(get('a', { signal: abort.signal }))
    const other = get('b', { timeoutMs: 5_000 })
    await expect.poll(() => sidecar.multiplex.calls).toHaveLength(2)
    abort.abort('enough')
    expect(await given).toMatchObject({ code: 'CANCELLED', cause: 'enough' })
    const cancels = () => sidecar.multiplex.frames.flatMap((frame) => frame.cancels)
    await expect.poll(cancels).toEqual([sidecar.multiplex.calls[0]?.id])
    sidecar.intercept = () => undefined
    await get('c')
    await expect(Promise.race([other, 'still under way'])).resolves.toBe('still under way')
    other.catch(() => {})
  })

  it('tells its time, ends when that is over, and is cancelled then', async () => {
    const { sidecar, set } = await oneSidecar()
    sidecar.intercept = never
    const startedAt = performance.now()
    const slow = failure(set('slow', 1, 600))
    const error = await failure(set('a', 1, 150))
    const tookMs = performance.now() - startedAt
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', region: 'eu-west-1' })
    expect(mayHaveDone(error)).toBe(true)
    expect(tookMs).toBeGreaterThan(140)
    expect(tookMs).toBeLessThan(400)
    expect(await slow).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    const [first, second] = sidecar.multiplex.calls
    expect(first?.timeoutMs).toBeGreaterThan(500)
    expect(second?.timeoutMs).toBeLessThanOrEqual(150)
    const cancels = () => sidecar.multiplex.frames.flatMap((frame) => frame.cancels)
    await expect.poll(cancels).toEqual([second?.id, first?.id])
  })

  it('is refused with the code, reason, fields and metadata of the sidecar', async () => {
    const { sidecar, get } = await oneSidecar()
    sidecar.intercept = () => {
      throw new Refusal('LOST_HISTORY', 'what to do', { position: '1-7' })
    }
    expect(await failure(get('a'))).toMatchObject({
      ...{ code: 'DATA_LOSS', reason: 'LOST_HISTORY', region: 'eu-west-1', message: 'what to do' },
      metadata: { position: '1-7' },
      fields: [{ field: 'a.field', description: 'is wrong' }],
    })
  })

  it('ends with the client', async () => {
    const { sidecar, transport, get } = await oneSidecar()
    sidecar.intercept = never
    const error = failure(get('a'))
    await expect.poll(() => sidecar.multiplex.calls).toHaveLength(1)
    transport.close()
    expect(await error).toMatchObject({ code: 'CANCELLED' })
    expect((await error).cause).toBeUndefined()
    expect(await failure(get('b'))).toMatchObject({ code: 'CANCELLED' })
  })
})

describe('a stream', () => {
  it('that drains answers what it has, refuses the rest, and is followed by another', async () => {
    const { sidecar, set } = await oneSidecar()
    let answer = () => {}
    sidecar.intercept = () =>
      new Promise((resolve) => {
        answer = () => resolve(undefined)
      })
    const before = set('before')
    await expect.poll(() => sidecar.multiplex.calls).toHaveLength(1)
    sidecar.multiplex.drain()
    const untold = await failure(set('untold'))
    const told = await failure(set('told'))
    for (const error of [untold, told]) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE' })
      expect(mayHaveDone(error)).toBe(false)
      expect(judge(error, { read: false, failBehind: false, tookMs: 1 })).toEqual({ tryNext: true })
    }
    answer()
    await expect(before).resolves.toBeDefined()
    sidecar.intercept = () => undefined
    await expect
      .poll(() =>
        set('after').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    expect(sidecar.calls('Set').map((request) => (request as { key?: string }).key)).toEqual([
      'before',
      'after',
    ])
  })

  it('that breaks off fails its calls, which may have been done, and is followed by another', async () => {
    const { sidecar, set } = await oneSidecar()
    sidecar.intercept = never
    const errors = many(3, (i) => failure(set(`k${i}`)))
    await expect.poll(() => sidecar.multiplex.calls).toHaveLength(3)
    sidecar.multiplex.breakOff()
    for (const error of await Promise.all(errors)) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: undefined })
      expect(mayHaveDone(error)).toBe(true)
    }
    sidecar.intercept = () => undefined
    await expect(set('after')).resolves.toBeDefined()
  })

  it('of a connection that is renewed ends with its last call', async () => {
    const { sidecar, transport, endpoint, set, get } = await oneSidecar()
    let answer = () => {}
    const waiting = new Promise<undefined>((resolve) => {
      answer = () => resolve(undefined)
    })
    sidecar.intercept = () => waiting
    const [write, read] = [set('old'), failure(get('old'))]
    await expect.poll(() => sidecar.multiplex.calls).toHaveLength(2)
    transport.renew(endpoint, true)
    expect(await read).toMatchObject({ code: 'UNAVAILABLE' })
    expect(neverSent(await read)).toBe(false)
    sidecar.intercept = () => undefined
    await set('new')
    expect(sidecar.multiplex.streams).toBe(2)
    answer()
    await expect(write).resolves.toBeDefined()
    await expect.poll(() => sidecar.multiplex.streams).toBe(1)
  })

  it('to an address that is no longer in use ends', async () => {
    const { sidecar, transport } = await oneSidecar()
    expect(sidecar.multiplex.streams).toBe(1)
    transport.keepOnly([])
    await expect.poll(() => sidecar.multiplex.streams).toBe(0)
  })

  it('that takes nothing more holds calls back, which were not sent if they end there', async () => {
    const { sidecar, set, get } = await oneSidecar()
    sidecar.multiplex.pause(true)
    const errors = await Promise.all(many(150, (i) => failure(set(`k${i}`, 200_000, 800))))
    const untold = errors.filter(neverSent)
    expect(errors.every(({ code }) => code === 'DEADLINE_EXCEEDED')).toBe(true)
    expect(untold.length).toBeGreaterThan(20)
    expect(untold.length).toBeLessThan(150)
    expect(untold.some(mayHaveDone)).toBe(false)
    sidecar.multiplex.pause(false)
    await expect(get('a')).resolves.toBeDefined()
    await expect(set('b', 200_000)).resolves.toBeDefined()
    expect(sidecar.calls('Set').length).toBeLessThanOrEqual(151 - untold.length)
  })
})

describe('a sidecar without Multiplex', () => {
  it('is asked by unary calls, and by Multiplex once it has that', async () => {
    const old = await SmallSidecar.start('eu-west-1', new SmallCluster(), 0, true)
    const { get, set } = await oneSidecar(old)
    await Promise.all([get('a'), set('b'), get('c')])
    expect(old.received.map(({ method }) => method)).toEqual(['Get', 'Get', 'Set', 'Get'])
    await old.kill()
    await using again = await SmallSidecar.start('eu-west-1', new SmallCluster(), old.port, false)
    await expect
      .poll(() =>
        get('d').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    expect(again.multiplex.calls).toHaveLength(1)
  })
})

describe('a stream that is turned away because there are too many', () => {
  it('fails no call: they are made as unary calls to the same sidecar, and asked for no stream again', async () => {
    const { near, far, perigee } = await smallRegions()
    near.multiplex.refusal = new Refusal('OVERLOADED', 'too many streams', {}, 60_000)
    const cache = perigee.cache('answers', { codec: text })
    for (let i = 0; i < 3; i++) {
      expect(await Promise.all(many(20, (k) => cache.get(`k${k}`)))).toEqual(many(20, () => undefined))
    }
    expect(near.calls('Get')).toHaveLength(60)
    expect(far.calls('Get')).toHaveLength(0)
    expect(near.multiplex.frames).toHaveLength(0)
  })

  it('is asked for again on the next connection', async () => {
    const { cluster, near, perigee } = await smallRegions()
    near.multiplex.refusal = new Refusal('OVERLOADED', 'too many streams', {}, 60_000)
    const cache = perigee.cache('answers', { codec: text })
    await cache.get('a')
    near.multiplex.refusal = undefined
    await cache.get('a')
    expect(near.multiplex.frames).toHaveLength(0)
    await near.kill()
    const again = await SmallSidecar.start('eu-west-1', cluster, near.port)
    onTestFinished(() => again.kill())
    const framesOf = async () => {
      await cache.get('a')
      return again.multiplex.frames.length
    }
    await expect.poll(framesOf, { timeout: 10_000 }).toBeGreaterThan(0)
  })
})
