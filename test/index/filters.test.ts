import type { MessageInitShape } from '@bufbuild/protobuf'
import { AttributeType, ChunkView, type FilterSchema } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'

const NAMESPACE = 'filters'
const INDEX = 'docs'
const COUNT = 2_500

type FilterInit = MessageInitShape<typeof FilterSchema>

let regions: TwoRegions
let written: Uint8Array

const metadataOf = (i: number) => ({
  lang: i % 5 === 0 ? ['en', 'de'] : i % 2 ? 'en' : 'fr',
  ...(i % 3 && { year: 2000 + (i % 25) }),
  title: i % 7 ? 'The Perigee' : 'Apogee\nof the moon',
})
const idOf = (i: number) => `doc ${String(i).padStart(4, '0')}`

const tagIn = (...values: string[]): FilterInit => ({
  expression: { case: 'tagIn', value: { attribute: 'lang', values } },
})
const since = (min: number): FilterInit => ({
  expression: { case: 'numberRange', value: { attribute: 'year', min } },
})
const titled = (words: string): FilterInit => ({
  expression: { case: 'textMatch', value: { attribute: 'title', words } },
})
const all = (...filters: FilterInit[]): FilterInit => ({ expression: { case: 'all', value: { filters } } })
const not = (value: FilterInit): FilterInit => ({ expression: { case: 'not', value } })

beforeAll(async () => {
  regions = await startTwoRegions()
  await createIndex(regions.us, NAMESPACE, {
    name: INDEX,
    attributes: [
      { name: 'lang', type: AttributeType.TAG },
      { name: 'year', type: AttributeType.NUMERIC },
      { name: 'title', type: AttributeType.TEXT },
    ],
  })
  for (let from = 0; from < COUNT; from += 500) {
    const chunks = Array.from({ length: 500 }, (_, i) =>
      chunk(idOf(from + i), { metadata: metadataOf(from + i) }),
    )
    const { receipt } = await regions.us.search.upsertChunks({
      ...{ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks },
    })
    written = receipt?.sessionToken ?? new Uint8Array()
  }
  await regions.eu.search.listChunks({
    ...{ namespace: NAMESPACE, index: INDEX, pageSize: 1, options: { sessionToken: written } },
  })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function listed(
  filter: FilterInit,
  pageSize: number,
  whileListing?: () => Promise<void>,
): Promise<string[]> {
  const ids: string[] = []
  let pageToken = ''
  do {
    const options = { sessionToken: written, maxWait: { seconds: 10n, nanos: 0 } }
    const request = {
      namespace: NAMESPACE,
      index: INDEX,
      filter,
      pageSize,
      pageToken,
      view: ChunkView.ID,
      options,
    }
    const page = await regions.eu.search.listChunks(request)
    ids.push(...page.chunks.map((c) => c.id))
    pageToken = page.nextPageToken
    await whileListing?.()
  } while (pageToken !== '')
  return ids
}

function expected(
  matches: (metadata: { lang: string | string[]; year?: number; title: string }) => boolean,
): string[] {
  return Array.from({ length: COUNT }, (_, i) => i)
    .filter((i) => matches(metadataOf(i)))
    .map(idOf)
}

it('lists what matches, all of it, in the order of the ids, whatever the page size', async () => {
  const german = expected(({ lang }) => lang.includes('de'))
  expect(await listed(tagIn('de'), 1_000)).toEqual(german)
  expect(await listed(tagIn('de'), 7)).toEqual(german)
  expect(await listed(tagIn('DE'), 100)).toEqual([])
  expect(await listed(all(tagIn('fr'), not(since(2010))), 100)).toEqual(
    expected(({ lang, year }) => lang === 'fr' && !(year !== undefined && year >= 2010)),
  )
  expect(await listed(titled('moon apogee'), 100)).toEqual(
    expected(({ title }) => title.startsWith('Apogee')),
  )
})

it('searches only what matches', async () => {
  const { hits } = await regions.eu.search.search({
    ...{ namespace: NAMESPACE, index: INDEX, model: MODEL, vector: vectorMessage(vectorOf(idOf(4))) },
    ...{ k: 50, filter: all(tagIn('fr'), since(2004)), options: { sessionToken: written } },
  })
  expect(hits).toHaveLength(50)
  expect(hits[0]?.chunk?.id).toBe(idOf(4))
  for (const hit of hits) {
    expect(hit.chunk?.metadata?.lang).toBe('fr')
    expect(Number(hit.chunk?.metadata?.year)).toBeGreaterThanOrEqual(2004)
  }
  const distances = hits.map((hit) => hit.distance ?? Number.NaN)
  expect(distances).toEqual([...distances].sort((a, b) => a - b))
})

it('a listing names each chunk that stays once, though others come and go meanwhile', async () => {
  let n = 0
  const disturb = async () => {
    n += 1
    const chunks = [
      chunk(`doc 00${n}-new`, { metadata: { lang: 'xx' } }),
      chunk(`zz-${n}`, { metadata: { lang: 'xx' } }),
    ]
    await regions.us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks })
    const selection = { case: 'ids' as const, value: { values: [`zz-${n - 1}`, `doc 00${n - 1}-new`] } }
    await regions.us.search.deleteChunks({ namespace: NAMESPACE, index: INDEX, selection })
  }
  const ids = await listed(not(tagIn('nothing')), 300, disturb)
  expect(ids.filter((id) => /^doc \d{4}$/.test(id))).toEqual(expected(() => true))
})

it('deletes by filter what was written before the call, and nothing else', async () => {
  const late = Array.from({ length: 200 }, (_, i) => chunk(`late-${i}`, { metadata: { lang: 'late' } }))
  await regions.us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks: late })
  const remove = (value: FilterInit) =>
    regions.eu.search.deleteChunks({
      namespace: NAMESPACE,
      index: INDEX,
      selection: { case: 'filter', value },
    })
  expect(await remove(tagIn('late'))).toMatchObject({ deleted: 200, receipt: { region: 'us-east-1' } })
  expect(await remove(tagIn('late'))).toMatchObject({ deleted: 0 })

  const english = expected(({ lang }) => lang.includes('en'))
  const { deleted, receipt } = await remove(tagIn('en'))
  expect(deleted).toBe(english.length)
  written = receipt?.sessionToken ?? written
  expect(await listed(tagIn('en'), 1_000)).toEqual([])
  const left = expected(({ lang }) => !lang.includes('en'))
  expect((await listed(not(tagIn('nothing')), 1_000)).filter((id) => /^doc \d{4}$/.test(id))).toEqual(left)
})

it('a deletion by filter that is sent again with its request id tells its count again and deletes no more', async () => {
  const upsert = (id: string) =>
    regions.us.search.upsertChunks({
      ...{ namespace: NAMESPACE, index: INDEX, model: MODEL },
      chunks: [chunk(id, { metadata: { lang: 'again' } })],
    })
  const remove = () =>
    regions.eu.search.deleteChunks({
      ...{ namespace: NAMESPACE, index: INDEX, options: { requestId: 'again' } },
      selection: { case: 'filter', value: tagIn('again') },
    })
  await upsert('again-1')
  const first = await remove()
  expect(first).toMatchObject({ deleted: 1 })
  expect(await remove()).toMatchObject({ deleted: 1, receipt: { sessionToken: first.receipt?.sessionToken } })
  const { receipt } = await upsert('again-2')
  expect(await remove()).toMatchObject({ deleted: 1, receipt: { sessionToken: first.receipt?.sessionToken } })
  written = receipt?.sessionToken ?? written
  expect(await listed(tagIn('again'), 1_000)).toEqual(['again-2'])
})

it('refuses attributes and page tokens of something else', async () => {
  const wrong: FilterInit = { expression: { case: 'tagIn', value: { attribute: 'year', values: ['x'] } } }
  await expect(listed(not(wrong), 10)).rejects.toMatchObject({
    status: 'INVALID_ARGUMENT',
    details: { reason: 'INVALID_FIELD', fields: [{ field: 'filter.not.tag_in.attribute' }] },
  })
  await createIndex(regions.us, NAMESPACE, { name: 'other' })
  const { nextPageToken } = await regions.us.search.listChunks({
    namespace: NAMESPACE,
    index: INDEX,
    pageSize: 1,
  })
  expect(nextPageToken).not.toBe('')
  await expect(
    regions.us.search.listChunks({
      namespace: NAMESPACE,
      index: 'other',
      pageSize: 1,
      pageToken: nextPageToken,
    }),
  ).rejects.toMatchObject({ details: { fields: [{ field: 'page_token' }] } })
})
