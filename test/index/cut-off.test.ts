import { RegionalIndex_State } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'cut'
const INDEX = 'docs'
const search = {
  namespace: NAMESPACE,
  index: INDEX,
  model: MODEL,
  vector: vectorMessage(vectorOf('one')),
  k: 5,
}

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions({ sidecarEnv: { PERIGEE_STALE_AFTER_MS: '1000' } })
  const { us, eu } = regions
  await createIndex(us, NAMESPACE, { name: INDEX })
  await us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks: [chunk('one')] })
  await waitFor('the chunk to be found in eu-west-1', async () => {
    const { hits, receipt } = await eu.search.search(search)
    return hits.length === 1 && receipt?.region === 'eu-west-1'
  })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function stateInEu(): Promise<RegionalIndex_State | undefined> {
  const { regions: indexes } = await regions.eu.search.getIndex({ namespace: NAMESPACE, name: INDEX })
  return indexes.find(({ region }) => region === 'eu-west-1')?.state
}

it('a region cut off from the primary goes on searching, says that its index is stale, and catches up when it heals', async () => {
  const { us, eu, cluster } = regions
  await waitFor('eu-west-1 to know its lag', async () => {
    const { regions: all } = await eu.cluster.getStatus({})
    return all.find(({ region }) => region === 'eu-west-1')?.replicationLag
  })
  expect(await stateInEu()).toBe(RegionalIndex_State.SERVING)
  await cluster.setLinks('eu-west-1', { mode: 'cut' })
  const { receipt } = await us.search.upsertChunks({
    ...{ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks: [chunk('two')] },
  })
  const sessionToken = receipt?.sessionToken ?? new Uint8Array()
  const { hits } = await eu.search.search(search)
  expect(hits.map((hit) => hit.chunk?.id)).toEqual(['one'])
  await expect(eu.search.search({ ...search, options: { sessionToken } })).rejects.toMatchObject({
    status: 'UNAVAILABLE',
    details: { reason: 'BEHIND_SESSION' },
  })
  await waitFor('its index to be called stale', async () => (await stateInEu()) === RegionalIndex_State.STALE)
  await cluster.setLinks('eu-west-1', { mode: 'open' })
  const healed = await waitFor('the session to be answered in eu-west-1', async () => {
    const answer = await eu.search.search({ ...search, options: { sessionToken } })
    return answer.receipt?.region === 'eu-west-1' && answer
  })
  expect(healed.hits.map((hit) => hit.chunk?.id).sort()).toEqual(['one', 'two'])
  await waitFor('its index to serve', async () => (await stateInEu()) === RegionalIndex_State.SERVING)
})

it('an index Redis that hangs or is gone makes searches fall back to the primary, within their deadline', async () => {
  const { eu, cluster } = regions
  const fallback = { receipt: { region: 'us-east-1', fallback: true } }
  await cluster.stopProcess('eu-west-1', 'indexRedis', 'SIGSTOP')
  await expect(eu.search.search(search, { timeoutMs: 5_000 })).resolves.toMatchObject(fallback)
  await cluster.stopProcess('eu-west-1', 'indexRedis', 'SIGCONT')
  await waitFor(
    'eu-west-1 to search again',
    async () => (await eu.search.search(search)).receipt?.fallback === false,
  )
  await cluster.stopProcess('eu-west-1', 'indexRedis', 'SIGKILL')
  await expect(eu.search.search(search, { timeoutMs: 5_000 })).resolves.toMatchObject(fallback)
  await cluster.startProcess('eu-west-1', 'indexRedis')
  await waitFor(
    'eu-west-1 to search again',
    async () => (await eu.search.search(search)).receipt?.fallback === false,
  )
})
