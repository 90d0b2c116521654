import { Consistency } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'

const MIB = 1024 * 1024
const KEYS = Array.from({ length: 6 }, (_, i) => `large-${i}`)

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

it('a GetMany too large for one message tells which keys it left out, and all are read by asking again', async () => {
  const { us, eu } = regions
  let sessionToken: Uint8Array = new Uint8Array()
  for (const [i, key] of KEYS.entries()) {
    const { receipt } = await eu.cache.set({ namespace: 'large', key, value: new Uint8Array(MIB).fill(i) })
    sessionToken = receipt?.sessionToken ?? sessionToken
  }
  for (const { side, consistency } of [
    { side: us, consistency: Consistency.SESSION },
    { side: eu, consistency: Consistency.SESSION },
    { side: eu, consistency: Consistency.PRIMARY },
  ]) {
    const found = new Map<string, Uint8Array>()
    let keys = ['missing', ...KEYS]
    let calls = 0
    while (keys.length > 0) {
      const answer = await side.cache.getMany({
        namespace: 'large',
        keys,
        options: { sessionToken, consistency },
      })
      for (const { key, value } of answer.entries) found.set(key, value)
      expect(answer.unreadKeys.length).toBeLessThan(keys.length)
      keys = answer.unreadKeys
      calls += 1
    }
    expect(calls).toBe(2)
    expect([...found.keys()]).toEqual(KEYS)
    for (const [i, key] of KEYS.entries()) expect(found.get(key)?.every((byte) => byte === i)).toBe(true)
  }
})

it('a listing of keys names each of a thousand once everything is said, page by page, in both regions', async () => {
  const { us, eu } = regions
  const names = Array.from({ length: 1000 }, (_, i) => `user:${i}`)
  const entries = names.map((key) => ({ key, value: new Uint8Array([1]) }))
  const { receipt } = await eu.cache.setMany({ namespace: 'listed', entries })
  const options = { sessionToken: receipt?.sessionToken ?? new Uint8Array() }
  for (const { cache } of [us, eu]) {
    const seen = new Set<string>()
    let pageToken = ''
    do {
      const page = await cache.listKeys({
        namespace: 'listed',
        prefix: 'user:',
        pageSize: 37,
        pageToken,
        options,
      })
      expect(page.keys.length).toBeLessThanOrEqual(37)
      for (const key of page.keys) seen.add(key)
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect([...seen].sort()).toEqual(names.sort())
  }
  await us.cache.clearNamespace({ namespace: 'listed' })
  expect((await us.cache.listKeys({ namespace: 'listed' })).keys).toEqual([])
})
