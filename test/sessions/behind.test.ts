import { decodeToken, encodeToken, formatPosition, tokenFromString } from '@perigee/core'
import { Consistency, FallbackReason, WhenBehind } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { stopFollowing } from '../support/following.ts'
import { loseNewest } from '../support/lost-writes.ts'
import { bytes, startTwoRegions, type TwoRegions, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'sessions'

let regions: TwoRegions

beforeAll(async () => {
  // So far apart that eu-west-1 is certainly behind when a write at us-east-1 is acknowledged.
  regions = await startTwoRegions()
  for (const [from, to] of [
    ['us-east-1', 'eu-west-1'],
    ['eu-west-1', 'us-east-1'],
  ] as const) {
    await regions.cluster.setLink(from, to, { delayMs: 20 })
  }
})

afterAll(() => regions?.[Symbol.asyncDispose]())

it('a session reads its own write in the other region at once, though without a session it may not', async () => {
  const { us, eu } = regions
  let fresh = 0
  for (let i = 0; i < 20; i++) {
    const key = `own-${i}`
    const { receipt } = await us.cache.set({ namespace: NAMESPACE, key, value: bytes(`${i}`) })
    const sessionToken = receipt?.sessionToken ?? new Uint8Array()
    const [without, withSession] = await Promise.all([
      eu.cache.get({ namespace: NAMESPACE, key }),
      eu.cache.get({ namespace: NAMESPACE, key, options: { sessionToken } }),
    ])
    if (without.entry) fresh += 1
    expect(text(withSession.entry?.value)).toBe(`${i}`)
  }
  expect(fresh).toBeLessThan(20)
})

it('a session goes on in the other region with a token that never goes back', async () => {
  const { us, eu } = regions
  let sessionToken: Uint8Array = new Uint8Array()
  let last = ''
  for (let i = 0; i < 40; i++) {
    const side = i % 2 === 0 ? us : eu
    const request = { namespace: NAMESPACE, key: 'counter', options: { sessionToken } }
    const { entry } = await side.cache.get(request)
    expect(text(entry?.value) ?? '').toBe(last)
    last = `${i}`
    const { receipt } = await side.cache.set({ ...request, value: bytes(last) })
    const next = receipt?.sessionToken ?? new Uint8Array()
    expect(Buffer.compare(next, sessionToken)).toBeGreaterThan(0)
    sessionToken = next
  }
})

it('a region that stays behind asks the primary, or fails, as the caller chose', async () => {
  const { cluster, us, eu } = regions
  const followAgain = await stopFollowing(cluster, 'eu-west-1')
  try {
    const set = { namespace: NAMESPACE, key: 'behind', value: bytes('new') }
    const sessionToken = (await us.cache.set(set)).receipt?.sessionToken ?? new Uint8Array()
    const read = { namespace: NAMESPACE, key: 'behind' }
    const maxWait = { seconds: 0n, nanos: 30_000_000 }

    const forwarded = await eu.cache.get({ ...read, options: { sessionToken, maxWait } })
    expect(text(forwarded.entry?.value)).toBe('new')
    expect(forwarded.receipt).toMatchObject({
      ...{ region: 'us-east-1', fallback: true, fallbackReason: FallbackReason.BEHIND },
      waited: { seconds: 0n },
    })
    expect(forwarded.receipt?.waited?.nanos).toBeGreaterThan(0)

    const failing = { ...read, options: { sessionToken, maxWait, whenBehind: WhenBehind.FAIL } }
    await expect(eu.cache.get(failing)).rejects.toMatchObject({
      status: 'UNAVAILABLE',
      details: { reason: 'BEHIND_SESSION' },
    })

    const eventual = { ...read, options: { sessionToken, consistency: Consistency.EVENTUAL } }
    const old = await eu.cache.get(eventual)
    expect(old.entry).toBeUndefined()
    expect(old.receipt?.sessionToken).toEqual(sessionToken)

    const primary = await eu.cache.get({ ...read, options: { consistency: Consistency.PRIMARY } })
    expect(text(primary.entry?.value)).toBe('new')
    expect(primary.receipt).toMatchObject({ region: 'us-east-1', fallback: false })
  } finally {
    await followAgain()
  }
  await waitFor('eu-west-1 to follow again', async () => {
    const { entry } = await eu.cache.get({ namespace: NAMESPACE, key: 'behind' })
    return entry
  })
})

it('a token of another cluster, one that is garbage and one ahead of the primary are INVALID_TOKEN, in both regions', async () => {
  const { us, eu } = regions
  const { receipt } = await us.cache.set({ namespace: NAMESPACE, key: 'k' })
  const good = Buffer.from(receipt?.sessionToken ?? [])
  const foreign = Buffer.from(good)
  foreign[1] = (good[1] ?? 0) ^ 0xff
  const ahead = Buffer.from(good)
  ahead.writeUInt32BE(1, 17)
  const newer = Buffer.from(good)
  newer.writeUInt8(99, 0)
  for (const sessionToken of [foreign, ahead, newer, Buffer.from('garbage')]) {
    for (const { cache } of [us, eu]) {
      const refused = { status: 'INVALID_ARGUMENT', details: { reason: 'INVALID_TOKEN' } }
      const request = { namespace: NAMESPACE, key: 'k', options: { sessionToken } }
      await expect(cache.get(request)).rejects.toMatchObject(refused)
      await expect(cache.set(request)).rejects.toMatchObject(refused)
    }
  }
})

it('a token from before a claim stays good where the claim carried on from it, and a region that has not heard of the claim is behind its tokens', async () => {
  const { cluster, us, eu } = regions
  const request = { namespace: NAMESPACE, key: 'carried', value: bytes('old') }
  const before = (await us.cache.set(request)).receipt?.sessionToken ?? new Uint8Array()
  await waitFor('eu-west-1 to have it', async () => {
    const { entry, receipt } = await eu.cache.get({ namespace: NAMESPACE, key: 'carried' })
    return entry && receipt?.region === 'eu-west-1'
  })
  const followAgain = await stopFollowing(cluster, 'eu-west-1')
  try {
    await loseNewest(regions, 0)
    const after = (await us.cache.set({ ...request, value: bytes('new') })).receipt?.sessionToken
    const get = { namespace: NAMESPACE, key: 'carried' }
    for (const { cache } of [us, eu]) await cache.get({ ...get, options: { sessionToken: before } })
    const sessionToken = after ?? new Uint8Array()
    const failing = { sessionToken, whenBehind: WhenBehind.FAIL }
    await expect(eu.cache.get({ ...get, options: failing })).rejects.toMatchObject({
      details: { reason: 'BEHIND_SESSION' },
    })
    const forwarded = await eu.cache.get({ ...get, options: { sessionToken } })
    expect([text(forwarded.entry?.value), forwarded.receipt?.region]).toEqual(['new', 'us-east-1'])
    // An answer from before the claim, given to a session from after it, has seen both.
    const eventual = { sessionToken, consistency: Consistency.EVENTUAL }
    const old = await eu.cache.get({ ...get, options: eventual })
    expect(text(old.entry?.value)).toBe('old')
    const both = decodeToken(old.receipt?.sessionToken ?? new Uint8Array())
    expect(both.position).toEqual(decodeToken(sessionToken).position)
    expect(both.older).toHaveLength(1)
    const again = await us.cache.get({ ...get, options: { sessionToken: encodeToken(both) } })
    expect(decodeToken(again.receipt?.sessionToken ?? new Uint8Array()).older).toBeUndefined()
  } finally {
    await followAgain()
  }
})

it('a token of an epoch after the live claim is lost, in both regions', async () => {
  const { us, eu } = regions
  const { receipt } = await us.cache.set({ namespace: NAMESPACE, key: 'k' })
  const { clusterId, position } = decodeToken(receipt?.sessionToken ?? new Uint8Array())
  const later = encodeToken({ clusterId, position: { ...position, epoch: position.epoch + 1 } })
  for (const { cache } of [us, eu]) {
    const request = { namespace: NAMESPACE, key: 'k', options: { sessionToken: later } }
    for (const call of [cache.get, cache.set]) {
      const error = await call(request).catch((thrown) => thrown)
      expect(error).toMatchObject({ status: 'DATA_LOSS', details: { reason: 'LOST_HISTORY' } })
      const { metadata } = error.details
      const surviving = decodeToken(tokenFromString(metadata.session_token))
      expect(metadata.position).toBe(formatPosition(surviving.position))
      expect(surviving.position.epoch).toBe(position.epoch)
    }
  }
})

it('a session is told LOST_HISTORY, with what survives, when writes it has seen are gone, in both regions', async () => {
  const { us, eu } = regions
  const { receipt } = await us.cache.set({ namespace: NAMESPACE, key: 'seen', value: bytes('1') })
  const lost = Buffer.from(receipt?.sessionToken ?? [])
  await loseNewest(regions, 1)

  const refused = { status: 'DATA_LOSS', details: { reason: 'LOST_HISTORY' } }
  const request = { namespace: NAMESPACE, key: 'seen', options: { sessionToken: lost } }
  await waitFor('eu-west-1 to know', () =>
    eu.cache.get(request).then(
      () => false,
      (error) => error.status === 'DATA_LOSS',
    ),
  )
  const held = (await us.cache.set({ namespace: NAMESPACE, key: 'held', value: bytes('1') })).version
  for (const { cache } of [us, eu]) {
    await expect(cache.get(request)).rejects.toMatchObject(refused)
    // Before anything is written.
    const write = { ...request, key: 'held', value: bytes('2') }
    await expect(cache.set(write)).rejects.toMatchObject(refused)
    const all = { ...write, entries: [{ key: 'held', value: bytes('3') }] }
    await expect(cache.setMany(all)).rejects.toMatchObject(refused)
    await expect(cache.delete({ ...request, keys: ['held'] })).rejects.toMatchObject(refused)
    await expect(cache.clearNamespace(request)).rejects.toMatchObject(refused)
    const { entry } = await us.cache.get({ namespace: NAMESPACE, key: 'held' })
    expect([entry?.version, text(entry?.value)]).toEqual([held, '1'])
    const eventual = { ...request, options: { sessionToken: lost, consistency: Consistency.EVENTUAL } }
    const answer = await cache.get(eventual)
    expect(Buffer.from(answer.receipt?.sessionToken ?? [])).toEqual(lost)
  }
  const survivor = await us.cache.get(request).catch((error) => error.details.metadata)
  const sessionToken = Buffer.from(survivor.session_token, 'base64url')
  await us.cache.get({ ...request, options: { sessionToken } })
})
