import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { IndexRedis } from './index-redis.ts'
import { searchCommand } from './search-commands.ts'
import { SearchReader } from './search-reader.ts'

const log = pino({ level: 'silent' })
const LOOK = ['HMGET', 'checkpoint', 'applied', 'none']
const options = { fields: ['text', 'n'], params: {}, count: 10, timeoutMs: 2_000, sortBy: 'n' }

/** A Redis with an index of some documents, which cuts no search short. */
async function arrange() {
  const redis = await startRedis({ search: true })
  onTestFinished(() => redis[Symbol.asyncDispose]())
  const schema = ['SCHEMA', 'n', 'NUMERIC', 'SORTABLE', 'text', 'TEXT']
  await redis.command('FT.CREATE', 'idx', 'ON', 'HASH', 'PREFIX', '1', 'doc:', ...schema)
  for (let n = 0; n < 9; n++)
    await redis.command('HSET', `doc:${n}`, 'n', String(n), 'text', 'wörter\r\n$-1 '.repeat(n * n * 40))
  await redis.command('HSET', 'doc:bare', 'n', '9')
  await redis.command('HSET', 'checkpoint', 'applied', '1-1')
  return redis
}

async function cutsNothingShort(redis: { command: (...words: [string, ...string[]]) => Promise<unknown> }) {
  await redis.command('FT.CONFIG', 'SET', 'ON_TIMEOUT', 'FAIL')
}

function reader(url: string, timeoutMs = 5_000): SearchReader {
  const searches = new SearchReader({ url, log, name: 'searches', timeoutMs })
  onTestFinished(() => searches.stop())
  searches.start()
  return searches
}

const connected = (searches: SearchReader) => vi.waitFor(() => expect(searches.ready).toBe(true), 5_000)
const command = (query: string) => searchCommand('idx', query, options)
const search = (searches: SearchReader, query: string) => searches.search(LOOK, command(query).args)

describe('a reader of searches', () => {
  it('finds what the ordinary connection finds', async () => {
    const redis = await arrange()
    await cutsNothingShort(redis)
    const searches = reader(redis.url)
    const ordinary = new IndexRedis({ url: redis.url, log, name: 'spec' })
    onTestFinished(() => ordinary.stop())
    ordinary.start()
    await connected(searches)
    await vi.waitFor(() => expect(ordinary.usable).toBe(true), 5_000)
    for (const query of ['*', '@n:[3 5]', '@n:[100 200]']) {
      const { found } = await search(searches, query)
      const { total, documents } = await ordinary.search(command(query))
      expect(found.total).toBe(total)
      expect(found.documents.map(({ key, fields }) => ({ key, ...fields }))).toEqual(
        documents.map(({ key, fields }) => ({ key, ...fields })),
      )
    }
  })

  it('tells what the checkpoint was before and after, to each of many searches at a time', async () => {
    const redis = await arrange()
    await cutsNothingShort(redis)
    const searches = reader(redis.url)
    await connected(searches)
    for (let round = 1; round <= 20; round++) {
      const changed = redis.command('HSET', 'checkpoint', 'applied', `1-${round}`)
      const answers = await Promise.all(
        Array.from({ length: 11 }, (_, n) => search(searches, `@n:[${n} ${n}]`)),
      )
      await changed
      for (const [n, { found, before, after }] of answers.entries()) {
        expect(found.documents.map(({ fields }) => Number(fields.n))).toEqual(n < 10 ? [n] : [])
        for (const [applied, none] of [before, after]) {
          expect([`1-${round - 1}`, `1-${round}`]).toContain(applied ?? '')
          expect(none).toBeUndefined()
        }
        expect(before[0] === after[0] || after[0] === `1-${round}`).toBe(true)
      }
      const { before } = await search(searches, '*')
      expect(before[0]).toBe(`1-${round}`)
    }
  })

  it('keeps different looks of one turn apart', async () => {
    const redis = await arrange()
    await cutsNothingShort(redis)
    const searches = reader(redis.url)
    await connected(searches)
    await redis.command('HSET', 'other', 'a', 'x')
    const other = ['HMGET', 'other', 'a']
    const asked = [LOOK, other, other, LOOK, other].map((look) => searches.search(look, command('*').args))
    const looks = (await Promise.all(asked)).map(({ before, after }) => [...before, ...after])
    const [mine, its] = [
      ['1-1', undefined, '1-1', undefined],
      ['x', 'x'],
    ]
    expect(looks).toEqual([mine, its, its, mine, its])
  })

  it('fails one search as Redis refused it, and not the others', async () => {
    const redis = await arrange()
    await cutsNothingShort(redis)
    const searches = reader(redis.url)
    await connected(searches)
    const [bad, lost, good] = await Promise.allSettled([
      search(searches, '@n:['),
      searches.search(LOOK, searchCommand('none', '*', options).args),
      search(searches, '*'),
    ])
    expect(bad).toMatchObject({ reason: { details: { reason: 'DATA_UNAVAILABLE' } } })
    expect(lost).toMatchObject({ reason: { details: { reason: 'INDEX_BUILDING' } } })
    expect(good).toMatchObject({ status: 'fulfilled', value: { found: { total: 10 } } })
  })

  it('takes no search while its Redis would cut it short, nor from one that was started anew so', async () => {
    const redis = await arrange()
    const searches = reader(redis.url)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(searches.ready).toBe(false)
    await expect(search(searches, '*')).rejects.toMatchObject({ details: { reason: 'DATA_UNAVAILABLE' } })
    await cutsNothingShort(redis)
    await connected(searches)
    await redis.kill()
    await redis.start()
    await vi.waitFor(() => redis.command('PING'), 5_000)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(searches.ready).toBe(false)
  })
})
