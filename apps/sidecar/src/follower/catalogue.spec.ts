import { comparePositions, type Position } from '@perigee/core'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ClaimedRedis, soon, startClaimedRedis } from '../primary/claimed-redis.spec-support.ts'
import type { NewIndex } from '../primary/writer.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { Catalogue } from './catalogue.ts'

const NS = 'ns'

let redis: ClaimedRedis
let first: IndexDefinition
let second: IndexDefinition

beforeAll(async () => {
  redis = await startClaimedRedis()
  first = await createIndex('first')
  second = await createIndex('second')
})

afterAll(() => redis?.[Symbol.asyncDispose]())

async function createIndex(name: string): Promise<IndexDefinition> {
  const index: NewIndex = {
    ...{ namespace: NS, name, dimensions: 2, metric: 'L2', vectorType: 'FLOAT32', attributes: [] },
    ...{ algorithm: { kind: 'FLAT' }, model: { id: 'm', revision: '1' }, regionScoped: false },
  }
  return (await redis.writer.createIndex(index, soon())).definition
}

async function put(name: string, index: IndexDefinition): Promise<Position> {
  return (await redis.writer.putAlias({ namespace: NS, name }, [index], soon())).position
}

async function loaded(): Promise<Catalogue> {
  // Only what makes search indexes needs an index Redis.
  const catalogue = new Catalogue(redis.data, undefined as never, pino({ level: 'silent' }))
  await catalogue.load()
  return catalogue
}

const before = ({ epoch, seq }: Position): Position => ({ epoch, seq: seq - 1 })

it('stands for its new index only where the switch is included, and for the old one until then', async () => {
  await put('a', first)
  const catalogue = await loaded()
  const known = catalogue.at
  const switched = await put('a', second)
  await catalogue.load()

  const behind = catalogue.named(NS, 'a', before(switched))
  expect(behind.indexes).toEqual([first])
  expect(behind.until).toEqual(known)
  expect(catalogue.named(NS, 'a', switched)).toMatchObject({ indexes: [second], until: catalogue.at })
})

it('is known to have stood for its old index no longer than it was looked at', async () => {
  await put('b', first)
  const catalogue = await loaded()
  const unseen = await put('b', second)
  const last = await put('b', first)
  await catalogue.load()
  // The switch in between was never seen: nothing is claimed of its time.
  const { indexes, until } = catalogue.named(NS, 'b', before(last))
  expect(indexes).toEqual([first])
  expect(comparePositions(until, unseen)).toBeLessThan(0)
})

it('that was put further on than a new follower has applied is not known to it yet', async () => {
  const position = await put('c', first)
  const catalogue = await loaded()
  expect(catalogue.named(NS, 'c', before(position))).toMatchObject({ indexes: [], ahead: true })
  expect(catalogue.named(NS, 'c', position)).toMatchObject({ indexes: [first] })
  expect(catalogue.named(NS, 'none', position)).toMatchObject({ indexes: [], ahead: false })
})

it('that was deleted stands for its index until that is included', async () => {
  const position = await put('d', first)
  const catalogue = await loaded()
  await redis.writer.deleteAlias(NS, 'd', soon())
  await catalogue.load()
  expect(catalogue.named(NS, 'd', position).indexes).toEqual([first])
  expect(catalogue.named(NS, 'd', catalogue.at).indexes).toEqual([])
})

it('and an index never share a name', async () => {
  await expect(put('second', first)).rejects.toMatchObject({ details: { reason: 'INDEX_EXISTS' } })
  await put('e', first)
  await expect(createIndex('e')).rejects.toMatchObject({ details: { reason: 'INDEX_EXISTS' } })
  await expect(redis.writer.dropIndex(NS, 'first', soon())).rejects.toMatchObject({
    details: { reason: 'INDEX_IN_USE', metadata: { aliases: expect.stringContaining('e') } },
  })
})

it('that moved on refuses writes that came by it for its old index', async () => {
  await put('f', first)
  const chunk = { id: '1', text: '', vector: Buffer.alloc(8), metadata: '{}', regionTags: [] }
  const byAlias = { ...soon(), alias: 'f' }
  await redis.writer.upsertChunks(first, [chunk], byAlias)
  await put('f', second)
  await expect(redis.writer.upsertChunks(first, [chunk], byAlias)).rejects.toMatchObject({
    name: 'AliasMoved',
  })
  await expect(redis.writer.deleteFromAll([first], ['1'], byAlias)).rejects.toMatchObject({
    name: 'AliasMoved',
  })
  expect(await redis.writer.deleteFromAll([first, second], ['1'], soon())).toMatchObject({ found: 1 })
})
