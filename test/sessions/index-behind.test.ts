import { FallbackReason, WhenBehind } from '@perigee/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'index-behind'
const DOCS = { namespace: NAMESPACE, index: 'docs', model: MODEL }
/** The region's index takes no writes until it is resumed; at the latest then. */
const PAUSE_MS = 60_000

let regions: TwoRegions
let round = 0

beforeAll(async () => {
  regions = await startTwoRegions()
  await createIndex(regions.us, NAMESPACE, { name: 'docs' })
  await createIndex(regions.us, NAMESPACE, { name: 'scoped', regionScoped: true })
  // A sidecar that has just started knows neither its lag nor the indexes.
  for (const index of ['docs', 'scoped']) {
    await waitFor('the region to answer by itself and to know its lag', async () => {
      const options = { whenBehind: WhenBehind.FAIL }
      const answer = await regions.eu.search
        .search({ ...searchOf('any', index), options })
        .catch(() => undefined)
      return answer?.receipt?.staleness !== undefined
    })
  }
})

afterAll(() => regions?.[Symbol.asyncDispose]())

function searchOf(id: string, index = 'docs') {
  return { ...DOCS, index, vector: vectorMessage(vectorOf(id)), k: 1 }
}

async function upsert(id: string, index = 'docs'): Promise<Uint8Array> {
  const { receipt } = await regions.us.search.upsertChunks({ ...DOCS, index, chunks: [chunk(id)] })
  return receipt?.sessionToken ?? new Uint8Array()
}

/** A chunk that eu-west-1's data Redis holds and its index doesn't, for a while. */
let fresh = ''
let sessionToken: Uint8Array

beforeEach(async () => {
  const { cluster, eu } = regions
  fresh = `fresh-${round++}`
  const level = await upsert(`level-${round}`)
  const maxWait = { seconds: 5n, nanos: 0 }
  await eu.search.search({ ...searchOf('level'), options: { sessionToken: level, maxWait } })
  await cluster.indexRedis('eu-west-1').command('CLIENT', 'PAUSE', `${PAUSE_MS}`, 'WRITE')
  sessionToken = await upsert(fresh)
  await waitFor('the data to arrive', async () => {
    const { chunks } = await eu.search.getChunks({ namespace: NAMESPACE, index: 'docs', ids: [fresh] })
    return chunks.length === 1
  })
})

afterEach(resume)

function resume(): Promise<unknown> {
  return regions.cluster.indexRedis('eu-west-1').command('CLIENT', 'UNPAUSE')
}

it('a search in a session is not answered by an index that is behind, though the data is there', async () => {
  const { eu } = regions
  const without = await eu.search.search(searchOf(fresh))
  expect(without.receipt?.region).toBe('eu-west-1')
  expect(without.hits[0]?.chunk?.id).not.toBe(fresh)

  const failing = { sessionToken, whenBehind: WhenBehind.FAIL, maxWait: { seconds: 0n, nanos: 30_000_000 } }
  await expect(eu.search.search({ ...searchOf(fresh), options: failing })).rejects.toMatchObject({
    details: { reason: 'BEHIND_SESSION' },
  })
  const forwarded = await eu.search.search({ ...searchOf(fresh), options: { sessionToken } })
  expect(forwarded.hits[0]?.chunk?.id).toBe(fresh)
  expect(forwarded.receipt).toMatchObject({
    ...{ region: 'us-east-1', fallback: true, fallbackReason: FallbackReason.BEHIND },
    waited: { seconds: 0n },
  })
  // The data itself is there: reading it waits for nothing.
  const read = { namespace: NAMESPACE, index: 'docs', ids: [fresh], options: { sessionToken } }
  expect((await eu.search.getChunks(read)).receipt).toMatchObject({ region: 'eu-west-1', fallback: false })
})

it('a search in a session is answered by the region as soon as its index is there, within max_wait', async () => {
  const options = { sessionToken, maxWait: { seconds: 8n, nanos: 0 } }
  const searching = regions.eu.search.search({ ...searchOf(fresh), options })
  // One that was sent later has its answer: so the first one waits by now.
  await expect(
    regions.eu.search.search({ ...searchOf(fresh), options: { sessionToken, whenBehind: WhenBehind.FAIL } }),
  ).rejects.toMatchObject({ details: { reason: 'BEHIND_SESSION' } })
  await resume()
  const { hits, receipt } = await searching
  expect(hits[0]?.chunk?.id).toBe(fresh)
  expect(receipt).toMatchObject({ region: 'eu-west-1', fallback: false })
  expect(receipt?.waited).toBeDefined()
})

it('a search under max_staleness includes all that the data Redis held when it came', async () => {
  const { eu } = regions
  const options = { maxStaleness: { seconds: 30n, nanos: 0 } }
  const forwarded = await eu.search.search({ ...searchOf(fresh), options })
  expect(forwarded.hits[0]?.chunk?.id).toBe(fresh)
  expect(forwarded.receipt).toMatchObject({ region: 'us-east-1', fallbackReason: FallbackReason.BEHIND })
  const waiting = { ...options, maxWait: { seconds: 8n, nanos: 0 } }
  const searching = eu.search.search({ ...searchOf(fresh), options: waiting })
  await resume()
  const local = await searching
  expect(local.hits[0]?.chunk?.id).toBe(fresh)
  expect(local.receipt).toMatchObject({ region: 'eu-west-1', fallback: false })
})

it('a search of a region-scoped index waits, and fails rather than being passed on', async () => {
  const { eu } = regions
  const token = await upsert(fresh, 'scoped')
  await expect(
    eu.search.search({ ...searchOf(fresh, 'scoped'), options: { sessionToken: token } }),
  ).rejects.toMatchObject({ status: 'UNAVAILABLE', details: { reason: 'BEHIND_SESSION' } })
  const options = { sessionToken: token, maxWait: { seconds: 8n, nanos: 0 } }
  const searching = eu.search.search({ ...searchOf(fresh, 'scoped'), options })
  await resume()
  const { hits, receipt } = await searching
  expect(hits[0]?.chunk?.id).toBe(fresh)
  expect(receipt?.region).toBe('eu-west-1')
})

it('a search that may be forwarded leaves time for that, however long it may wait', async () => {
  const options = { sessionToken, maxWait: { seconds: 60n, nanos: 0 } }
  const { receipt } = await regions.eu.search.search({ ...searchOf(fresh), options }, { timeoutMs: 800 })
  expect(receipt).toMatchObject({ region: 'us-east-1', fallback: true })
})
