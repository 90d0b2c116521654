import { durationMs } from '@bufbuild/protobuf/wkt'
import type { GetManyRequest, SetManyRequest, SetRequest } from '@perigee/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, it, vi } from 'vitest'
import { bytes, json, text } from './codec.ts'
import type { Receipt } from './receipt.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { Refusal } from './spec/small-sidecar.ts'

/** A schema that wants `{ answer: string }` and adds its length. */
const AnswerSchema: StandardSchemaV1<{ answer: string }, { answer: string; length: number }> = {
  '~standard': {
    version: 1,
    vendor: 'spec',
    validate: async (value) => {
      const answer = (value as { answer?: unknown } | null)?.answer
      if (typeof answer === 'string') return { value: { answer, length: answer.length } }
      return { issues: [{ message: 'must be a string', path: ['answer'] }] }
    },
  },
}

describe('a cache', () => {
  it('answers what was set, with version, times and receipt', async () => {
    const { perigee } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    expect(await cache.get('a')).toBeUndefined()
    const { version, receipt } = await cache.set('a', 'grüß')
    expect(receipt).toMatchObject({ region: 'eu-west-1', fallback: false, waitedMs: 0, warnings: [] })
    expect(await cache.get('a')).toBe('grüß')
    expect(await cache.getEntry('a')).toMatchObject({
      key: 'a',
      value: 'grüß',
      version,
      contentType: text.contentType,
    })
  })

  it('tells where each answer came from, misses too', async () => {
    const { perigee } = await smallRegions()
    const receipts: Receipt[] = []
    await perigee.cache('answers').get('missing', { onReceipt: (receipt) => receipts.push(receipt) })
    expect(receipts).toMatchObject([{ region: 'eu-west-1' }])
  })

  it.each([
    ['bytes', bytes, Uint8Array.of(0, 255, 10)],
    ['text', text, ''],
    ['json', json<unknown>(), { a: [1, null, 'x'] }],
  ] as const)('keeps %s', async (_, codec, value) => {
    const { perigee } = await smallRegions()
    const cache = perigee.cache<unknown, unknown>('answers', { codec: codec as never })
    await cache.set('a', value)
    expect(await cache.get('a')).toEqual(value)
  })

  it('lets entries expire as asked, or by its default', async () => {
    const { perigee, near } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text, defaultTtlMs: 1_500 })
    await cache.set('a', '1')
    await cache.set('b', '1', { ttlMs: 20 })
    await perigee.cache('answers', { codec: text }).set('c', '1')
    const ttls = near.calls('Set').map((request) => (request as SetRequest).ttl)
    expect(ttls.map((ttl) => ttl && durationMs(ttl))).toEqual([1_500, 20, undefined])
    expect(await failure(cache.set('a', '1', { ttlMs: 0 }))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('writes on a condition, or not at all', async () => {
    const { perigee } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    const { version } = await cache.set('a', '1', { ifAbsent: true })
    const refused = { code: 'ABORTED', reason: 'PRECONDITION_FAILED', retryable: false }
    expect(await failure(cache.set('a', '2', { ifAbsent: true }))).toMatchObject(refused)
    expect(await failure(cache.set('b', '2', { ifExists: true }))).toMatchObject(refused)
    await cache.set('a', '3', { ifVersion: version })
    expect(await failure(cache.set('a', '4', { ifVersion: version }))).toMatchObject(refused)
    expect(await cache.get('a')).toBe('3')
    expect(await failure(cache.set('a', '5', { ifExists: true, ifAbsent: true }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('asks again for keys an answer had no room for, and keeps the order asked', async () => {
    const { perigee, near } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    const keys = Array.from({ length: 8 }, (_, i) => `k${7 - i}`)
    await cache.setMany(keys.map((key) => [key, key]))
    const found = await cache.getMany(['missing', ...keys, 'k0'])
    expect([...found]).toEqual(keys.map((key) => [key, key]))
    expect(near.calls('GetMany').length).toBeGreaterThan(1)
  })

  it('splits many keys into calls of 1,000', async () => {
    const { perigee, near } = await smallRegions()
    near.intercept = (method) => (method === 'GetMany' ? { entries: [] } : undefined)
    await perigee.cache('answers').getMany(Array.from({ length: 2_001 }, (_, i) => `k${i}`))
    expect(near.calls('GetMany').map((request) => (request as GetManyRequest).keys.length)).toEqual([
      1_000, 1_000, 1,
    ])
  })

  it('splits many entries by count and by bytes', async () => {
    const { perigee, near } = await smallRegions()
    const cache = perigee.cache('answers', { codec: bytes, defaultTtlMs: 1_000 })
    const small = Array.from({ length: 201 }, (_, i) => [`s${i}`, Uint8Array.of(1)] as const)
    const large = Array.from({ length: 5 }, (_, i) => [`l${i}`, new Uint8Array(1024 * 1024)] as const)
    const { versions } = await cache.setMany([...small, ...large])
    expect(versions.size).toBe(206)
    const calls = near.calls('SetMany') as SetManyRequest[]
    expect(calls.map(({ entries }) => entries.length)).toEqual([200, 4, 2])
    expect(calls.every(({ entries }) => entries.every((entry) => entry.expiresAt))).toBe(true)
  })

  it('deletes, lists by prefix and clears', async () => {
    const { perigee } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    await cache.setMany(['a1', 'a2', 'a3', 'b1'].map((key) => [key, key]))
    expect((await cache.delete('a2')).deleted).toBe(1)
    expect((await cache.delete(['a2', 'b1'])).deleted).toBe(1)
    const keys: string[] = []
    for await (const key of cache.keys('a')) keys.push(key)
    expect(keys.sort()).toEqual(['a1', 'a3'])
    await cache.clear()
    expect(await cache.get('a1')).toBeUndefined()
  })

  it('goes on listing where it began, or fails', async () => {
    const { perigee, near, far } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    await cache.setMany(['a', 'b', 'c'].map((key) => [key, key]))
    const keys = cache.keys()
    await keys.next()
    await keys.next()
    await near.kill()
    expect(await failure(keys.next())).toMatchObject({ code: 'UNAVAILABLE', region: 'eu-west-1' })
    expect(far.calls('ListKeys')).toHaveLength(0)
  })
})

describe('a schema', () => {
  it('is checked on write and on read, and reading gives its output', async () => {
    const { perigee, near } = await smallRegions()
    const cache = perigee.cache('answers', { codec: json(AnswerSchema) })
    await cache.set('a', { answer: 'yes' })
    expect(await cache.get('a')).toEqual({ answer: 'yes', length: 3 })
    const error = await failure(cache.set('b', { answer: 1 as never }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('answers/b')
    expect(error.message).toContain('answer: must be a string')
    expect(near.calls('Set')).toHaveLength(1)
  })

  it.each(['{"answer":1}', 'not JSON'])(
    'that %j does not fit is an error in get and a miss in getOrCompute',
    async (old) => {
      const { perigee } = await smallRegions()
      await perigee.cache('answers', { codec: text }).set('a', old)
      const cache = perigee.cache('answers', { codec: json(AnswerSchema) })
      const error = await failure(cache.get('a'))
      expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', retryable: false })
      expect(error.message).toContain('answers/a')
      expect(await cache.getOrCompute('a', () => ({ answer: 'no' }))).toEqual({ answer: 'no', length: 2 })
      expect(await cache.get('a')).toEqual({ answer: 'no', length: 2 })
    },
  )
})

describe('getOrCompute', () => {
  it('computes once for all who ask meanwhile, in any session, and caches the value', async () => {
    const { perigee, near } = await smallRegions()
    let finish = (_: string) => {}
    const compute = vi.fn(() => new Promise<string>((resolve) => (finish = resolve)))
    const sessions = Array.from({ length: 5 }, () => perigee.session())
    const values = sessions.map((session) =>
      session.cache('answers', { codec: text }).getOrCompute('a', compute, { ttlMs: 1_000 }),
    )
    await expect.poll(() => near.calls('Get').length).toBe(5)
    await expect.poll(() => compute.mock.calls.length).toBe(1)
    finish('42')
    expect(await Promise.all(values)).toEqual(Array(5).fill('42'))
    expect(compute).toHaveBeenCalledTimes(1)
    expect(near.calls('Set')).toHaveLength(1)
    // Who was given the value has seen its write.
    expect(new Set(sessions.map(({ token }) => token)).size).toBe(1)
    expect(sessions[0]?.token).not.toBe('')
    expect(await perigee.cache('answers', { codec: text }).getOrCompute('a', compute)).toBe('42')
    expect(compute).toHaveBeenCalledTimes(1)
  })

  it('gives each caller a value of its own, by its own schema', async () => {
    const { perigee, near } = await smallRegions()
    let finish = (_: { answer: string }) => {}
    const compute = vi.fn(() => new Promise<{ answer: string }>((resolve) => (finish = resolve)))
    const [plain, same] = [perigee.cache<{ answer: string }>('answers'), perigee.cache('answers')]
    const checked = perigee.cache('answers', { codec: json(AnswerSchema) })
    const values = Promise.all([plain, same, checked].map((cache) => cache.getOrCompute('a', compute)))
    await expect.poll(() => near.calls('Get').length).toBe(3)
    await expect.poll(() => compute.mock.calls.length).toBe(1)
    finish({ answer: 'yes' })
    const [first, second, third] = await values
    expect(second).toEqual(first)
    expect(second).not.toBe(first)
    expect(third).toEqual({ answer: 'yes', length: 3 })
  })

  it('throws what the computation throws, and tries again next time', async () => {
    const { perigee } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    await expect(cache.getOrCompute('a', () => Promise.reject(new Error('no luck')))).rejects.toThrow(
      'no luck',
    )
    expect(await cache.getOrCompute('a', () => 'luck')).toBe('luck')
  })

  it('computes all the same when the cache is out of reach, and says so', async () => {
    const { perigee, near, far, events } = await smallRegions()
    await Promise.all([near.kill(), far.kill()])
    const cache = perigee.cache('answers', { codec: json(AnswerSchema) })
    expect(await cache.getOrCompute('a', () => ({ answer: 'yes' }))).toEqual({ answer: 'yes', length: 3 })
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'cache-bypassed', namespace: 'answers', key: 'a' }),
    )
  })

  it('gives the value though it could not be cached, and says so', async () => {
    const { perigee, near, far, events } = await smallRegions()
    near.intercept = far.intercept = (method) => {
      if (method === 'Set') throw new Refusal('NO_PRIMARY')
      return undefined
    }
    expect(await perigee.cache('answers', { codec: text }).getOrCompute('a', () => '1')).toBe('1')
    expect(events.at(-1)).toMatchObject({ type: 'cache-bypassed', error: { reason: 'NO_PRIMARY' } })
  })

  it('ends one caller by its signal and not the others', async () => {
    const { perigee, near } = await smallRegions()
    const cache = perigee.cache('answers', { codec: text })
    let finish = (_: string) => {}
    const compute = vi.fn(() => new Promise<string>((resolve) => (finish = resolve)))
    const controller = new AbortController()
    const impatient = failure(cache.getOrCompute('a', compute, { signal: controller.signal }))
    await expect.poll(() => compute.mock.calls.length).toBe(1)
    const patient = cache.getOrCompute('a', compute)
    await expect.poll(() => near.calls('Get').length).toBe(2)
    controller.abort()
    expect(await impatient).toMatchObject({ code: 'CANCELLED' })
    finish('1')
    expect(await patient).toBe('1')
  })
})
