import { ChunkView, Consistency } from '@perigee/protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { clientIn } from '../support/client-in.ts'
import type { RawClient } from '../support/clients.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const OTHER = { id: 'test/other', revision: '7' }
const OTHER_DIMENSIONS = 4
const LONG_WAIT = { maxWait: { seconds: 5n, nanos: 0 } }

let regions: TwoRegions
let namespaces = 0
let namespace = ''

beforeAll(async () => {
  regions = await startTwoRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

beforeEach(async () => {
  namespace = `alias-${namespaces++}`
  await createIndex(regions.us, namespace, { name: 'old' })
  await createIndex(regions.us, namespace, { name: 'new', model: OTHER, dimensions: OTHER_DIMENSIONS })
})

const putAlias = (...indexes: string[]) =>
  regions.us.search.putAlias({ namespace, alias: { name: 'docs', indexes } })

const other = (id: string, text = id) =>
  chunk(id, { text, vector: vectorMessage(vectorOf(text, OTHER_DIMENSIONS)) })

async function upsert(index: string, model: typeof MODEL, ...chunks: ReturnType<typeof chunk>[]) {
  return regions.us.search.upsertChunks({ namespace, index, model, chunks })
}

function search(client: RawClient, model: typeof MODEL, sessionToken: Uint8Array = new Uint8Array()) {
  const vector = vectorMessage(vectorOf('x', model === MODEL ? undefined : OTHER_DIMENSIONS))
  return client.search.search({
    ...{ namespace, index: 'docs', model, vector, k: 10 },
    options: { sessionToken, ...LONG_WAIT },
  })
}

const idsOf = (answer: { hits: { chunk?: { id: string } | undefined }[] }) =>
  answer.hits.map((hit) => hit.chunk?.id).sort()

describe('an alias', () => {
  it('takes searches and upserts to the index of their model, in every region, from its session on', async () => {
    await putAlias('old', 'new')
    await upsert('docs', MODEL, chunk('a'), chunk('b'))
    const { receipt } = await upsert('docs', OTHER, other('c'))
    for (const client of [regions.us, regions.eu]) {
      expect(idsOf(await search(client, MODEL, receipt?.sessionToken))).toEqual(['a', 'b'])
      expect(idsOf(await search(client, OTHER, receipt?.sessionToken))).toEqual(['c'])
    }
    const listed = await regions.us.search.listChunks({ namespace, index: 'new' })
    expect(listed.chunks.map(({ id }) => id)).toEqual(['c'])
  })

  it('is listed beside the indexes, page by page, and described by its first index with the state of all', async () => {
    await putAlias('old', 'new')
    const seen: string[] = []
    let pageToken = ''
    do {
      const page = await regions.us.search.listIndexes({ namespace, pageSize: 1, pageToken })
      seen.push(...page.indexes.map(({ name }) => name))
      seen.push(...page.aliases.map(({ name, indexes }) => `${name}: ${indexes.join()}`))
      pageToken = page.nextPageToken
    } while (pageToken)
    expect(seen).toEqual(['docs: old,new', 'new', 'old'])
    const described = await regions.us.search.getIndex({ namespace, name: 'docs' })
    expect(described.index?.name).toBe('old')
    expect([...new Set(described.regions.map(({ index }) => index))].sort()).toEqual(['new', 'old'])
  })

  it('names all its models when it has none like the one asked for', async () => {
    const { receipt } = await putAlias('old', 'new')
    const strange = { id: 'strange', revision: '1' }
    await expect(search(regions.eu, strange, receipt?.sessionToken)).rejects.toMatchObject({
      status: 'FAILED_PRECONDITION',
      details: { reason: 'MODEL_MISMATCH', metadata: { models: 'test/model@1, test/other@7' } },
      message: expect.stringMatching(/test\/model revision 1.*test\/other revision 7/),
    })
    await expect(upsert('docs', strange, chunk('x'))).rejects.toMatchObject({
      details: { reason: 'MODEL_MISMATCH' },
    })
  })

  it('is switched for a session as soon as the session has seen the switch, in every region', async () => {
    await upsert('old', MODEL, chunk('in-old'))
    await createIndex(regions.us, namespace, { name: 'better' })
    await upsert('better', MODEL, chunk('in-better'))
    let token = (await putAlias('old')).receipt?.sessionToken
    for (let turn = 0; turn < 30; turn++) {
      const [target, id] = turn % 2 ? ['old', 'in-old'] : ['better', 'in-better']
      token = (await putAlias(target as string)).receipt?.sessionToken
      const [us, eu] = await Promise.all([search(regions.us, MODEL, token), search(regions.eu, MODEL, token)])
      expect([idsOf(us), idsOf(eu)]).toEqual([[id], [id]])
    }
  })

  it('is switched in a region no sooner than its index includes what was written before the switch', async () => {
    await putAlias('old')
    await upsert('old', MODEL, chunk('old-1'))
    await createIndex(regions.us, namespace, { name: 'next' })
    const chunks = Array.from({ length: 200 }, (_, i) => chunk(`next-${i}`))
    const written = await Promise.all(
      [1, 2, 3].map((n) => upsert('next', MODEL, ...chunks.map((c) => ({ ...c, id: `${c.id}-${n}` })))),
    )
    expect(written.map(({ upserted }) => upserted)).toEqual([200, 200, 200])
    let done = false
    const switched = putAlias('next').finally(() => {
      done = true
    })
    const answers = new Set<number>()
    // Without a session: whatever the region is at, its answer is whole. So is that of another, which answers for it when its
    // Redis has no time to.
    await waitFor('the region to switch', async () => {
      const vector = vectorMessage(vectorOf('x'))
      const { hits, receipt } = await regions.eu.search.search({
        namespace,
        index: 'docs',
        model: MODEL,
        vector,
        k: 1_000,
      })
      answers.add(hits.length)
      return done && receipt?.region === 'eu-west-1' && hits.length === 600
    })
    await switched
    expect([...answers].filter((count) => count !== 1 && count !== 600)).toEqual([])
  })

  it('deletes from all its indexes, by ids and by filter, and counts each chunk once', async () => {
    await putAlias('old', 'new')
    await upsert(
      'old',
      MODEL,
      chunk('both'),
      chunk('one'),
      chunk('gone', { text: 'gone now' }),
      chunk('stays'),
    )
    await upsert('new', OTHER, other('both'), other('gone', 'gone now'), other('stays'))
    const byIds = { case: 'ids' as const, value: { values: ['both', 'one', 'never'] } }
    const first = await regions.eu.search.deleteChunks({ namespace, index: 'docs', selection: byIds })
    expect(first.deleted).toBe(2)
    const filter = { expression: { case: 'textMatch' as const, value: { attribute: 'text', words: 'gone' } } }
    const byFilter = { case: 'filter' as const, value: filter }
    const second = await regions.eu.search.deleteChunks({ namespace, index: 'docs', selection: byFilter })
    expect(second.deleted).toBe(1)
    const sessionToken = second.receipt?.sessionToken ?? new Uint8Array()
    for (const index of ['old', 'new']) {
      const { chunks } = await regions.eu.search.listChunks({
        ...{ namespace, index, options: { sessionToken, ...LONG_WAIT } },
      })
      expect(chunks.map(({ id }) => id)).toEqual(['stays'])
    }
  })

  it('reads, of each chunk, what was written last in any of its indexes; never vectors of several models', async () => {
    await putAlias('old', 'new')
    await upsert('old', MODEL, chunk('a', { text: 'first' }), chunk('only-old'))
    await upsert('new', OTHER, other('a', 'second'), other('b'), other('only-new'))
    const { receipt } = await upsert('old', MODEL, chunk('b', { text: 'last' }))
    const options = { sessionToken: receipt?.sessionToken ?? new Uint8Array(), ...LONG_WAIT }
    const ids = ['b', 'a', 'none', 'only-new', 'only-old']
    const got = await regions.eu.search.getChunks({ namespace, index: 'docs', ids, options })
    expect(got.chunks.map(({ id, text }) => [id, text])).toEqual([
      ['b', 'last'],
      ['a', 'second'],
      ['only-new', 'only-new'],
      ['only-old', 'only-old'],
    ])
    const listed: string[][] = []
    let pageToken = ''
    do {
      const page = await regions.eu.search.listChunks({
        namespace,
        index: 'docs',
        pageSize: 1,
        pageToken,
        options,
      })
      listed.push(...page.chunks.map(({ id, text }) => [id, text]))
      pageToken = page.nextPageToken
    } while (pageToken)
    expect(listed).toEqual([
      ['a', 'second'],
      ['b', 'last'],
      ['only-new', 'only-new'],
      ['only-old', 'only-old'],
    ])
    const view = ChunkView.FULL
    const refused = {
      status: 'INVALID_ARGUMENT',
      details: { reason: 'INVALID_FIELD', fields: [{ field: 'view' }] },
      message: expect.stringContaining('old, new'),
    }
    const { search: eu } = regions.eu
    await expect(eu.getChunks({ namespace, index: 'docs', ids, view, options })).rejects.toMatchObject(
      refused,
    )
    await expect(eu.listChunks({ namespace, index: 'docs', view, options })).rejects.toMatchObject(refused)
    await putAlias('new')
    const alone = await regions.us.search.getChunks({ namespace, index: 'docs', ids: ['a'], view })
    expect(alone.chunks[0]?.vector?.values.case).toBe('float32Le')
  })

  it('keeps its indexes from being dropped, until it points elsewhere or is deleted', async () => {
    await putAlias('old', 'new')
    const drop = (name: string) => regions.eu.search.dropIndex({ namespace, name })
    await expect(drop('old')).rejects.toMatchObject({
      status: 'FAILED_PRECONDITION',
      details: { reason: 'INDEX_IN_USE', metadata: { aliases: 'docs' } },
    })
    await putAlias('new')
    await drop('old')
    await expect(drop('new')).rejects.toMatchObject({ details: { reason: 'INDEX_IN_USE' } })
    await regions.eu.search.deleteAlias({ namespace, name: 'docs' })
    await drop('new')
    await expect(search(regions.us, MODEL)).rejects.toMatchObject({ details: { reason: 'INDEX_NOT_FOUND' } })
  })

  it("shares its namespace with the indexes: no index gets its name, no alias an index's", async () => {
    await putAlias('old')
    await expect(createIndex(regions.eu, namespace, { name: 'docs' })).rejects.toMatchObject({
      status: 'ALREADY_EXISTS',
      details: { reason: 'INDEX_EXISTS' },
    })
    const taken = { namespace, alias: { name: 'new', indexes: ['old'] } }
    await expect(regions.eu.search.putAlias(taken)).rejects.toMatchObject({
      details: { reason: 'INDEX_EXISTS' },
    })
    await expect(regions.us.search.dropIndex({ namespace, name: 'docs' })).rejects.toMatchObject({
      status: 'NOT_FOUND',
    })
  })

  it('is put once by one request id, whatever was put since', async () => {
    const once = { namespace, alias: { name: 'docs', indexes: ['old'] }, options: { requestId: 'once' } }
    const first = await regions.us.search.putAlias(once)
    await putAlias('new')
    const again = await regions.eu.search.putAlias(once)
    expect(again.receipt?.sessionToken).toEqual(first.receipt?.sessionToken)
    const { aliases } = await regions.us.search.listIndexes({
      namespace,
      options: { consistency: Consistency.PRIMARY },
    })
    expect(aliases.map(({ indexes }) => indexes)).toEqual([['new']])
  })

  it('of indexes that do not exist, are of one model, or are none, is refused and changes nothing', async () => {
    await createIndex(regions.us, namespace, { name: 'twin' })
    const cases: [string[], string, string, string?][] = [
      [[], 'INVALID_ARGUMENT', 'INVALID_FIELD', 'alias.indexes'],
      [['old', 'old'], 'INVALID_ARGUMENT', 'INVALID_FIELD', 'alias.indexes[1]'],
      [['old', 'twin'], 'INVALID_ARGUMENT', 'INVALID_FIELD', 'alias.indexes[1]'],
      [['docs'], 'INVALID_ARGUMENT', 'INVALID_FIELD', 'alias.indexes'],
      [Array.from({ length: 9 }, (_, i) => `i-${i}`), 'INVALID_ARGUMENT', 'TOO_LARGE', 'alias.indexes'],
      [['none'], 'NOT_FOUND', 'INDEX_NOT_FOUND'],
    ]
    for (const [indexes, status, reason, field] of cases) {
      await expect(putAlias(...indexes), indexes.join()).rejects.toMatchObject({
        ...{ status, details: { reason, ...(field && { fields: [{ field }] }) } },
      })
    }
    await expect(regions.us.search.deleteAlias({ namespace, name: 'docs' })).rejects.toMatchObject({
      ...{ status: 'NOT_FOUND', details: { reason: 'ALIAS_NOT_FOUND' } },
    })
    const { aliases } = await regions.us.search.listIndexes({ namespace })
    expect(aliases).toEqual([])
  })
})

describe('the SDK', () => {
  it('opens, describes, checks and reads the index of its model by the name of the alias', async () => {
    await putAlias('old', 'new')
    await using perigee = await clientIn(regions.cluster, 'eu-west-1')
    const session = perigee.session()
    const models = { old: MODEL, new: OTHER }
    for (const [index, model] of Object.entries(models)) {
      const docs = session.index('docs', { namespace, model })
      const dimensions = index === 'old' ? 8 : OTHER_DIMENSIONS
      const { definition, regions: copies } = await docs.describe()
      expect(definition).toMatchObject({ name: index, model, dimensions })
      expect(new Set(copies.map((copy) => copy.index))).toEqual(new Set([index]))
      expect(await docs.ensureIndex({ dimensions, metric: 'l2', algorithm: 'flat' })).toEqual(definition)
      await docs.upsert([{ id: index, text: index, vector: vectorOf(index, dimensions) }])
      expect((await docs.search(vectorOf(index, dimensions))).map(({ id }) => id)).toEqual([index])
      expect((await docs.get(index, { view: 'full' }))?.vector).toHaveLength(dimensions)
    }
    const listed: string[] = []
    for await (const { id } of session.index('docs', { namespace }).list()) listed.push(id)
    expect(listed).toEqual(['new', 'old'])
    const strange = session.index('docs', { namespace, model: { id: 'strange', revision: '1' } })
    await expect(strange.ensureIndex({ dimensions: 3 })).rejects.toMatchObject({ reason: 'MODEL_MISMATCH' })
    await expect(strange.search([1, 2, 3])).rejects.toMatchObject({ reason: 'MODEL_MISMATCH' })
  })

  it('puts, gets, lists and deletes aliases in a session', async () => {
    await using perigee = await clientIn(regions.cluster, 'eu-west-1')
    const { aliases } = perigee.session()
    await aliases.put('docs', ['old'], { namespace })
    await aliases.put('both', ['new', 'old'], { namespace })
    expect(await aliases.get('both', { namespace })).toEqual({ name: 'both', indexes: ['new', 'old'] })
    await aliases.delete('docs', { namespace })
    const names: string[] = []
    for await (const { name } of aliases.list({ namespace })) names.push(name)
    expect(names).toEqual(['both'])
  })
})
