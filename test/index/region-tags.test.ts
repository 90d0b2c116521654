import { Consistency, RegionalIndex_State } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, createIndex, listVersions, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'tags'
const INDEX = 'docs'

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
  await createIndex(regions.us, NAMESPACE, { name: INDEX, regionScoped: true })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function idsIn(region: 'us' | 'eu'): Promise<string[]> {
  const { versions } = await listVersions(regions[region], NAMESPACE, INDEX)
  return [...versions.keys()]
}

/** Searches with the token of the newest write, so that the answer includes it. */
async function hitsIn(region: 'us' | 'eu', sessionToken: Uint8Array, text: string): Promise<string[]> {
  const { hits } = await regions[region].search.search({
    ...{ namespace: NAMESPACE, index: INDEX, model: MODEL, vector: vectorMessage(vectorOf(text)), k: 10 },
    options: { sessionToken, maxWait: { seconds: 5n, nanos: 0 } },
  })
  return hits.map((hit) => hit.chunk?.id ?? '')
}

async function upsert(...tagged: [id: string, ...tags: string[]][]): Promise<Uint8Array> {
  const chunks = tagged.map(([id, ...regionTags]) => chunk(id, { regionTags }))
  const { receipt } = await regions.us.search.upsertChunks({
    namespace: NAMESPACE,
    index: INDEX,
    model: MODEL,
    chunks,
  })
  return receipt?.sessionToken ?? new Uint8Array()
}

it('a chunk is found in the regions it is meant for alone, and tagging it anew moves it', async () => {
  let token = await upsert(['all'], ['only-us', 'us-east-1'], ['both', 'us-east-1', 'eu-west-1'])
  expect((await hitsIn('us', token, 'all')).sort()).toEqual(['all', 'both', 'only-us'])
  expect((await hitsIn('eu', token, 'all')).sort()).toEqual(['all', 'both'])

  token = await upsert(['all', 'us-east-1'], ['only-us', 'eu-west-1'])
  expect((await hitsIn('eu', token, 'all')).sort()).toEqual(['both', 'only-us'])
  expect((await hitsIn('us', token, 'all')).sort()).toEqual(['all', 'both'])
  expect(await idsIn('eu')).toEqual(['both', 'only-us'])
  expect(await idsIn('us')).toEqual(['all', 'both'])

  const everywhere = await regions.eu.search.getChunks({
    namespace: NAMESPACE,
    index: INDEX,
    ids: ['all', 'only-us'],
  })
  expect(everywhere.chunks.map(({ id, regionTags }) => [id, ...regionTags])).toEqual([
    ['all', 'us-east-1'],
    ['only-us', 'eu-west-1'],
  ])
})

it('a search of it is never passed on: it fails where the index is being built, and cannot ask for the primary', async () => {
  const search = { namespace: NAMESPACE, index: INDEX, model: MODEL, vector: vectorMessage(vectorOf('all')) }
  const primary = { ...search, options: { consistency: Consistency.PRIMARY } }
  await expect(regions.us.search.search(primary)).resolves.toMatchObject({ receipt: { region: 'us-east-1' } })
  await expect(regions.eu.search.search(primary)).rejects.toMatchObject({
    status: 'INVALID_ARGUMENT',
    details: { reason: 'INVALID_FIELD', fields: [{ field: 'options.consistency' }] },
  })

  await regions.cluster.stopProcess('eu-west-1', 'indexRedis', 'SIGKILL')
  await expect(regions.eu.search.search(search)).rejects.toMatchObject({ status: 'UNAVAILABLE' })
  await expect(regions.us.search.search(search)).resolves.toMatchObject({ receipt: { region: 'us-east-1' } })
  await regions.cluster.startProcess('eu-west-1', 'indexRedis')
  await waitFor('eu-west-1 to search again', () => regions.eu.search.search(search).then(() => true))
})

it('deleting by filter is refused, by ids works everywhere', async () => {
  const token = await upsert(['gone', 'eu-west-1'], ['stays', 'eu-west-1'])
  expect(await hitsIn('eu', token, 'gone')).toContain('gone')
  const filter = { expression: { case: 'textMatch' as const, value: { attribute: 'text', words: 'gone' } } }
  const byFilter = {
    namespace: NAMESPACE,
    index: INDEX,
    selection: { case: 'filter' as const, value: filter },
  }
  await expect(regions.eu.search.deleteChunks(byFilter)).rejects.toMatchObject({
    details: { reason: 'INVALID_FIELD', fields: [{ field: 'filter' }] },
  })
  const byIds = { case: 'ids' as const, value: { values: ['gone', 'never-there'] } }
  const { deleted, receipt } = await regions.eu.search.deleteChunks({
    namespace: NAMESPACE,
    index: INDEX,
    selection: byIds,
  })
  expect(deleted).toBe(1)
  const hits = await hitsIn('eu', receipt?.sessionToken ?? new Uint8Array(), 'gone')
  expect(hits).toContain('stays')
  expect(hits).not.toContain('gone')
})

it('unknown regions and tags where the index has none are refused', async () => {
  await expect(upsert(['x', 'mars-1'])).rejects.toMatchObject({
    details: { reason: 'INVALID_FIELD', fields: [{ field: 'chunks[0].region_tags[0]' }] },
  })
  const index = await waitFor('both regions to know of each other', async () => {
    const answer = await regions.eu.search.getIndex({ namespace: NAMESPACE, name: INDEX })
    return answer.regions.length === 2 && answer.regions
  })
  expect(index.map((r) => [r.region, r.state, r.progress]).sort()).toEqual([
    ['eu-west-1', RegionalIndex_State.SERVING, 1],
    ['us-east-1', RegionalIndex_State.SERVING, 1],
  ])
})

it('a search right after the index was made waits for the copy of its region', async () => {
  for (let i = 0; i < 20; i++) {
    const index = `new-${i}`
    await createIndex(regions.us, NAMESPACE, { name: index, regionScoped: true })
    const written = { namespace: NAMESPACE, index, model: MODEL, chunks: [chunk('a')] }
    const { receipt } = await regions.us.search.upsertChunks(written)
    const sessionToken = receipt?.sessionToken ?? new Uint8Array()
    const search = { namespace: NAMESPACE, index, model: MODEL, vector: vectorMessage(vectorOf('a')), k: 1 }
    for (const region of [regions.us, regions.eu]) {
      const options = { sessionToken, maxWait: { seconds: 5n, nanos: 0 } }
      expect((await region.search.search({ ...search, options })).hits).toHaveLength(1)
    }
  }
})
