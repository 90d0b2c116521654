import { FallbackReason, WhenBehind } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { stopFollowing } from '../support/following.ts'
import { bytes, startTwoRegions, type TwoRegions, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'staleness'
const DOCS = { namespace: NAMESPACE, index: 'docs', model: MODEL }
const SECOND = { seconds: 1n, nanos: 0 }
const NONE = { seconds: 0n, nanos: 0 }

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
  const { us, eu } = regions
  await us.cache.set({ namespace: NAMESPACE, key: 'k', value: bytes('old') })
  for (const index of [{ name: 'docs' }, { name: 'scoped', regionScoped: true }]) {
    await createIndex(us, NAMESPACE, index)
    await us.search.upsertChunks({ ...DOCS, index: index.name, chunks: [chunk('old')] })
  }
  await waitFor('eu-west-1 to have it all, and to know its lag', async () => {
    const { hits, receipt } = await eu.search.search(searchOf('scoped', 'old'))
    return hits.length === 1 && receipt?.region === 'eu-west-1' && receipt.staleness?.seconds === 0n
  })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

function searchOf(index: string, like: string) {
  return { ...DOCS, index, vector: vectorMessage(vectorOf(like)), k: 1 }
}

const get = { namespace: NAMESPACE, key: 'k' }

it('a region whose lag is below max_staleness answers by itself', async () => {
  const { entry, receipt } = await regions.eu.cache.get({ ...get, options: { maxStaleness: SECOND } })
  expect(text(entry?.value)).toBe('old')
  expect(receipt).toMatchObject({ region: 'eu-west-1', fallback: false })
  const found = await regions.eu.search.search({
    ...searchOf('docs', 'old'),
    options: { maxStaleness: SECOND },
  })
  expect(found.receipt).toMatchObject({ region: 'eu-west-1', fallback: false })
})

it('the primary region is never too stale', async () => {
  const { receipt } = await regions.us.cache.get({ ...get, options: { maxStaleness: NONE } })
  expect(receipt).toMatchObject({ region: 'us-east-1', fallback: false })
  const scoped = { ...searchOf('scoped', 'old'), options: { maxStaleness: NONE } }
  expect((await regions.us.search.search(scoped)).receipt).toMatchObject({
    region: 'us-east-1',
    fallback: false,
  })
})

it('a negative max_staleness is refused', async () => {
  const options = { maxStaleness: { seconds: -1n, nanos: 0 } }
  await expect(regions.eu.cache.get({ ...get, options })).rejects.toMatchObject({
    details: { reason: 'INVALID_FIELD', fields: [{ field: 'options.max_staleness' }] },
  })
})

describe('a region whose lag is above max_staleness', () => {
  const limit = { seconds: 0n, nanos: 300_000_000 }
  let followAgain = async () => {}

  beforeAll(async () => {
    const { cluster, us, eu } = regions
    followAgain = await stopFollowing(cluster, 'eu-west-1')
    await us.cache.set({ ...get, value: bytes('new') })
    await us.search.upsertChunks({ ...DOCS, chunks: [chunk('new')] })
    await waitFor('its lag to show', async () => {
      const { receipt } = await eu.cache.get(get)
      // Far above the limit: what lies unread at a sidecar that was kept waiting brings it down once more.
      return (receipt?.staleness?.seconds ?? 0n) > 0n
    })
  })

  afterAll(() => followAgain())

  it('asks the primary, and says why', async () => {
    const { entry, receipt } = await regions.eu.cache.get({ ...get, options: { maxStaleness: limit } })
    expect(text(entry?.value)).toBe('new')
    const fallback = { fallback: true, fallbackReason: FallbackReason.BEHIND }
    expect(receipt).toMatchObject({ region: 'us-east-1', ...fallback })
    const found = await regions.eu.search.search({
      ...searchOf('docs', 'new'),
      options: { maxStaleness: limit },
    })
    expect(found.receipt).toMatchObject({ region: 'us-east-1', ...fallback })
    expect(found.hits[0]?.chunk?.id).toBe('new')
  })

  it('fails where the caller chose so, without a wait', async () => {
    const options = { maxStaleness: limit, whenBehind: WhenBehind.FAIL, maxWait: { seconds: 20n, nanos: 0 } }
    const startedAt = performance.now()
    await expect(regions.eu.cache.get({ ...get, options })).rejects.toMatchObject({
      status: 'UNAVAILABLE',
      details: { reason: 'BEHIND_SESSION' },
    })
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  it('fails for a region-scoped index, though the caller would have had it forwarded', async () => {
    const options = { maxStaleness: limit, whenBehind: WhenBehind.FORWARD }
    await expect(regions.eu.search.search({ ...searchOf('scoped', 'old'), options })).rejects.toMatchObject({
      details: { reason: 'BEHIND_SESSION' },
    })
  })

  it('still answers those who set no limit, or a wider one', async () => {
    for (const options of [{}, { maxStaleness: { seconds: 3600n, nanos: 0 } }]) {
      const { entry, receipt } = await regions.eu.cache.get({ ...get, options })
      expect(text(entry?.value)).toBe('old')
      expect(receipt).toMatchObject({ region: 'eu-west-1', fallback: false })
    }
  })
})

describe('a region whose lag nobody knows', () => {
  beforeAll(async () => {
    const { cluster } = regions
    await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGKILL')
    await cluster.setLinks('eu-west-1', { mode: 'cut' })
    await cluster.startProcess('eu-west-1', 'sidecar')
  })

  afterAll(() => regions.cluster.setLinks('eu-west-1', { mode: 'open' }))

  it('counts as too stale, whatever the limit, and answers those who set none', async () => {
    const local = await waitFor('eu-west-1 to answer', () => regions.eu.cache.get(get))
    expect(local.receipt).toMatchObject({ region: 'eu-west-1' })
    expect(local.receipt?.staleness).toBeUndefined()
    const hour = { seconds: 3600n, nanos: 0 }
    for (const whenBehind of [WhenBehind.FAIL, WhenBehind.FORWARD]) {
      const options = { maxStaleness: hour, whenBehind }
      await expect(regions.eu.cache.get({ ...get, options })).rejects.toMatchObject({
        status: 'UNAVAILABLE',
        details: { reason: 'BEHIND_SESSION' },
      })
    }
  })
})
