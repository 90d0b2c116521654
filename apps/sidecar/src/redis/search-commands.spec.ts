import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { CommandBytes } from './command-bytes.ts'
import type { IndexDefinition } from './index-definition.ts'
import { IndexRedis } from './index-redis.ts'
import {
  configGetCommand,
  createCommand,
  dropCommand,
  infoCommand,
  listCommand,
  searchCommand,
} from './search-commands.ts'

const definition: IndexDefinition = {
  namespace: 'ns',
  name: 'docs',
  uid: '1-1',
  dimensions: 2,
  metric: 'COSINE',
  vectorType: 'FLOAT32',
  algorithm: { kind: 'HNSW', m: 8, efConstruction: 50, efRuntime: 20 },
  model: { id: 'm', revision: '1' },
  attributes: [
    { name: 'lang', type: 'TAG' },
    { name: 'year', type: 'NUMERIC' },
    { name: 'title', type: 'TEXT' },
  ],
  regionScoped: false,
}
const schema = { name: 'search:1-1', prefix: 'copy:1-1:', definition, tagSeparator: '\x1f' }
const vector = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer)

let redis: Awaited<ReturnType<typeof startRedis>>
let index: IndexRedis

beforeAll(async () => {
  redis = await startRedis({ search: true })
  index = new IndexRedis({ url: redis.url, log: pino({ level: 'silent' }), name: 'spec' })
  index.start()
  await vi.waitFor(() => expect(index.usable).toBe(true))
})

afterAll(async () => {
  index?.stop()
  await redis?.[Symbol.asyncDispose]()
})

it('makes, finds, describes and drops an index of the real module', async () => {
  await index.search(createCommand(schema))
  expect(await index.search(listCommand())).toEqual(['search:1-1'])
  await index.call(
    'HSET',
    'copy:1-1:a',
    'embedding',
    vector(1, 0),
    'lang',
    'en\x1fde',
    'year',
    '2024',
    'text',
    'The one',
  )
  await index.call('HSET', 'copy:1-1:b', 'embedding', vector(0, 1), 'lang', 'EN', 'text', 'the running two')
  expect(await index.search(infoCommand('search:1-1'))).toEqual({ filled: true, failures: 0 })

  const nearest = await index.search(
    searchCommand('search:1-1', '*=>[KNN 2 @embedding $v AS distance]', {
      fields: ['distance', 'embedding'],
      params: { v: vector(1, 0) },
      count: 2,
      sortBy: 'distance',
      timeoutMs: 1000,
    }),
  )
  expect(nearest.documents.map((d) => [d.key, Number(d.fields.distance)])).toEqual([
    ['copy:1-1:a', 0],
    ['copy:1-1:b', 1],
  ])
  expect(nearest.documents[1]?.fields.embedding).toEqual(vector(0, 1))

  const find = async (query: string, params = {}, keys?: string[]) => {
    const options = { fields: [], params, count: 10, timeoutMs: 1000, ...(keys && { keys }) }
    return (await index.search(searchCommand('search:1-1', query, options))).documents
      .map((d) => d.key)
      .sort()
  }
  expect(await find('(@lang:{$t})', { t: 'en' })).toEqual(['copy:1-1:a'])
  expect(await find('(@text:($w))', { w: 'the' })).toEqual(['copy:1-1:a', 'copy:1-1:b'])
  expect(await find('(@text:($w))', { w: 'run' })).toEqual([])
  expect(await find('*', {}, ['copy:1-1:b', 'copy:1-1:c'])).toEqual(['copy:1-1:b'])

  await index.search(dropCommand('search:1-1'))
  await expect(find('*')).rejects.toMatchObject({ details: { reason: 'INDEX_BUILDING' } })
  expect(await index.call('EXISTS', 'copy:1-1:a')).toBe(1)
})

it('fails searches that are cut short, also after a restart of Redis', async () => {
  expect(String(await index.search(configGetCommand('ON_TIMEOUT'))).toLowerCase()).toBe('fail')
  await redis.kill()
  await expect.poll(() => index.usable).toBe(false)
  await expect(index.call('PING')).rejects.toMatchObject({ details: { reason: 'DATA_UNAVAILABLE' } })
  await redis.start()
  await expect.poll(() => index.usable, { timeout: 5000 }).toBe(true)
  expect(String(await index.search(configGetCommand('ON_TIMEOUT'))).toLowerCase()).toBe('fail')
})

it('tells a transaction that lost its race from one that was done', async () => {
  const other = new IndexRedis({ url: redis.url, log: pino({ level: 'silent' }), name: 'spec-other' })
  other.start()
  await expect.poll(() => other.usable).toBe(true)
  await index.call('WATCH', 'race')
  await other.call('SET', 'race', '1')
  expect(await index.transaction(new CommandBytes().add('SET', 'race', '2'))).toBe(false)
  expect(await index.transaction(new CommandBytes().add('SET', 'race', '3'))).toBe(true)
  expect(String((await other.batch([['GET', 'race']]))[0])).toBe('3')
  other.stop()
})
