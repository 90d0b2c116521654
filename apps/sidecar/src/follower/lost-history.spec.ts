import type { RedisProcess } from '@perigee/embedded-redis'
import { expect, it, vi } from 'vitest'
import type { IndexDefinition } from '../redis/index-definition.ts'
import {
  chunksOf,
  cluster,
  copiesOf,
  everything,
  follow,
  hold,
  keys,
  level,
  Primary,
  type Region,
  redis,
  region,
  rows,
} from './region.spec-support.ts'

/** A primary with chunks that its replica has as well, and a region that follows the primary. */
async function twoRedis(chunks: number) {
  const config: [string, number][] = [['repl-diskless-sync-delay', 0]]
  const { data, index, primary } = await cluster({ config })
  const other = await redis({ config })
  const docs = await primary.createIndex('docs')
  for (let i = 0; i < chunks; i += 500) await primary.upsert(docs, rows(i, Math.min(chunks, i + 500)))
  await follow(other, data)
  await other.command('REPLICAOF', 'NO', 'ONE')
  return { data, index, other, primary, docs, follower: region(data.url, index.url) }
}

/** Promotes a Redis that lacks the newest writes, writes there, and makes the old primary follow it. */
async function failOver(from: RedisProcess, to: RedisProcess, docs: IndexDefinition): Promise<Primary> {
  const promoted = new Primary(to.url)
  await promoted.claim()
  // As many writes as were lost: the log's positions look alike but for their epoch.
  await promoted.upsert(docs, rows(30, 60))
  await follow(from, to)
  return promoted
}

/** Searches without a pause; gives the versions that calls found which began after the data Redis was of an epoch. */
function searching(r: Region, data: RedisProcess, docs: IndexDefinition) {
  const found = new Set<string>()
  const calls = { answered: 0, refused: 0, after: 0 }
  let going = true
  const run = (async () => {
    while (going) {
      const epoch = String(await data.command('GET', keys.clock)).split('-')[0] ?? ''
      const answer = await everything(r, docs.uid).catch((error) => {
        expect(['INDEX_BUILDING', 'DATA_UNAVAILABLE']).toContain(error.details?.reason)
        return undefined
      })
      if (!answer) calls.refused += 1
      else {
        calls.answered += 1
        for (const version of Object.values(answer)) found.add(`${epoch}: ${version}`)
      }
    }
  })()
  return {
    calls,
    async stop(): Promise<{ epoch: number; version: string }[]> {
      going = false
      await run
      return [...found].map((line) => {
        const [epoch, version] = line.split(': ')
        return { epoch: Number(epoch), version: version ?? '' }
      })
    },
  }
}

it('never finds a chunk that a failover lost, not even between the failover and the follower noticing it', async () => {
  const { data, other, primary, docs, follower } = await twoRedis(50)
  await level(follower, docs.uid)
  const kept = new Set(Object.values(await everything(follower, docs.uid)))
  // Lost: new chunks, newer versions, deletions.
  await primary.upsert(docs, rows(100, 120))
  await primary.upsert(docs, rows(0, 10))
  await primary.delete(docs, ['20', '21'])
  await level(follower, docs.uid)
  const now = Object.values(await everything(follower, docs.uid))
  const lost = new Set(now.filter((version) => !kept.has(version)))
  expect(lost.size).toBe(30)

  const search = searching(follower, data, docs)
  const release = hold(follower)
  await vi.waitFor(() => expect(search.calls.answered).toBeGreaterThan(3), 5_000)
  const promoted = await failOver(data, other, docs)
  await expect(everything(follower, docs.uid)).rejects.toMatchObject({
    details: { reason: 'INDEX_BUILDING' },
  })
  const { refused } = search.calls
  await vi.waitFor(() => expect(search.calls.refused).toBeGreaterThan(refused + 3), 5_000)
  release()
  await level(follower, docs.uid)
  const { answered } = search.calls
  await vi.waitFor(() => expect(search.calls.answered).toBeGreaterThan(answered + 3), 5_000)
  const found = await search.stop()
  const after = found.filter(({ epoch }) => epoch === promoted.epoch)
  expect(after.length).toBeGreaterThan(0)
  expect(after.filter(({ version }) => lost.has(version))).toEqual([])
  expect(found.filter(({ version }) => lost.has(version)).length).toBeGreaterThan(0)
  expect(await everything(follower, docs.uid)).toEqual(await chunksOf(follower, docs.uid))
  expect(Object.keys(await copiesOf(follower, docs.uid))).toHaveLength(60)
})

it('notices that the data went back in the middle of a comparison, between the log and the chunks', async () => {
  const { data, other, primary, docs, follower } = await twoRedis(1500)
  await level(follower, docs.uid)
  await follower.stop()
  await primary.connection.call('XTRIM', keys.log, 'MAXLEN', 0)
  const again = region(data.url, follower.indexUrl)
  const { scan } = again.data
  const first: string[] = []
  let pages = 0
  const complete: boolean[] = []
  again.data.scan = async (...args) => {
    pages += 1
    // A chunk that was compared already is written anew and comes by the log, with the next step …
    if (pages === 3) await primary.upsert(docs, [{ id: first[0] as string, text: 'lost' }])
    // … whose page is of the new history.
    if (pages === 4) await failOver(data, other, docs)
    const page = await scan.apply(again.data, args)
    if (pages === 1) first.push(...page.chunks.map(({ id }) => id))
    return page
  }
  const reasons = new Set<string | undefined>()
  await vi.waitFor(
    () => {
      const { checkpoint } = again.follower
      reasons.add(checkpoint?.repair?.reason)
      if (checkpoint?.repair?.reason === 'rolled-back') complete.push(checkpoint.complete.has(docs.uid))
      expect(again.follower.state).toBe('level')
    },
    { timeout: 15_000, interval: 1 },
  )
  expect(pages).toBeGreaterThan(4)
  expect(reasons).toContain('gap')
  expect(reasons).toContain('rolled-back')
  expect(complete).not.toContain(true)
  await level(again, docs.uid)
})

it('takes back what a lost creation and a lost drop of an index did', async () => {
  const { data, other, primary, docs, follower } = await twoRedis(50)
  await level(follower, docs.uid)
  await primary.dropIndex('docs')
  const lost = await primary.createIndex('lost')
  await primary.upsert(lost, rows(0, 10))
  await level(follower, lost.uid)
  await vi.waitFor(async () => expect(await copiesOf(follower, docs.uid)).toEqual({}), 5_000)
  await failOver(data, other, docs)
  await level(follower, docs.uid)
  expect(Object.keys(await copiesOf(follower, docs.uid))).toHaveLength(60)
  expect(await everything(follower, docs.uid)).toEqual(await chunksOf(follower, docs.uid))
  await vi.waitFor(async () => {
    expect([...(await follower.copies.searchIndexes())]).toEqual([docs.uid])
    expect(await copiesOf(follower, lost.uid)).toEqual({})
  }, 5_000)
})

it('goes on without a comparison after a failover that lost nothing the index has', async () => {
  const { data, other, primary, docs, follower } = await twoRedis(50)
  await level(follower, docs.uid)
  await follower.stop()
  await primary.upsert(docs, rows(100, 110))
  await failOver(data, other, docs)
  const again = region(data.url, follower.indexUrl)
  const reasons = new Set<string | undefined>()
  await vi.waitFor(
    () => {
      reasons.add(again.follower.checkpoint?.repair?.reason)
      expect(again.follower.state).toBe('level')
    },
    { timeout: 5_000, interval: 1 },
  )
  expect([...reasons]).toEqual([undefined])
  await level(again, docs.uid)
})
