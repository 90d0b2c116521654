import { expect, it, vi } from 'vitest'
import {
  cluster,
  copiesOf,
  everything,
  follow,
  hold,
  keys,
  level,
  type Region,
  redis,
  region,
  rows,
  searched,
} from './region.spec-support.ts'

const atOnce: [string, number][] = [['repl-diskless-sync-delay', 0]]

/** Counts the batches of log entries that a follower read. */
function batchesOf({ data }: Region): { count: number } {
  const batches = { count: 0 }
  const { read } = data
  data.read = async (...args) => {
    const batch = await read.apply(data, args)
    if (batch.entries.length > 0) batches.count += 1
    return batch
  }
  return batches
}

it('repairs after the log was trimmed to nothing, or deleted, while it was down; its old copy answers meanwhile', async () => {
  const { data, index, primary } = await cluster()
  let r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 50))
  await level(r, docs.uid)
  for (const trim of [
    ['XTRIM', keys.log, 'MAXLEN', '0'],
    ['DEL', keys.log],
  ] as const) {
    await r.stop()
    await primary.upsert(docs, rows(40, 60))
    await primary.delete(docs, ['3', '4'])
    const [command, ...args] = trim
    await primary.connection.call(command, ...args)
    r = region(data.url, index.url)
    const answered: number[] = []
    const complete: boolean[] = []
    await vi.waitFor(
      async () => {
        const { checkpoint, state } = r.follower
        if (checkpoint) complete.push(checkpoint.complete.has(docs.uid))
        answered.push(Object.keys(await everything(r, docs.uid)).length)
        expect(state).toBe('level')
      },
      { timeout: 5_000, interval: 1 },
    )
    expect(complete).not.toContain(false)
    expect(Math.min(...answered)).toBeGreaterThanOrEqual(48)
    await level(r, docs.uid)
    await primary.upsert(docs, rows(3, 5))
    await level(r, docs.uid)
  }
})

it('throws away copies of another region, and no search gets them before', async () => {
  const { data, index, primary } = await cluster()
  const us = region(data.url, index.url, 'us-east-1')
  const docs = await primary.createIndex('docs', { regionScoped: true })
  await primary.upsert(docs, [
    { id: '1', tags: ['us-east-1'] },
    { id: '2', tags: ['eu-west-1'] },
    { id: '3' },
  ])
  await vi.waitFor(async () => expect(Object.keys(await copiesOf(us, docs.uid))).toEqual(['1', '3']))
  await us.stop()
  const eu = region(data.url, index.url, 'eu-west-1')
  const release = hold(eu)
  await vi.waitFor(() =>
    expect(everything(eu, docs.uid)).rejects.toMatchObject({ details: { reason: 'INDEX_BUILDING' } }),
  )
  release()
  await vi.waitFor(async () => expect(Object.keys(await everything(eu, docs.uid))).toEqual(['2', '3']), 5_000)
})

it('leaves an index Redis alone that another region uses, answers nothing from it, and takes it when that one is gone', async () => {
  const { data, index, primary } = await cluster()
  const us = region(data.url, index.url, 'us-east-1')
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 10))
  await level(us, docs.uid)
  const eu = region(data.url, index.url, 'eu-west-1')
  await vi.waitFor(() => expect(eu.follower.state).toBe('standing-by'), 5_000)
  await expect(everything(eu, docs.uid)).rejects.toMatchObject({ details: { reason: 'INDEX_BUILDING' } })
  await primary.upsert(docs, rows(10, 20))
  await level(us, docs.uid)
  expect(us.follower.checkpoint?.region).toBe('us-east-1')
  await us.stop()
  await level(eu, docs.uid)
  expect(Object.keys(await everything(eu, docs.uid))).toHaveLength(20)
})

it('goes on soon after its data Redis copied everything anew, without a comparison', async () => {
  const { data, index, primary } = await cluster({ config: [...atOnce, ['appendonly', 'yes']] })
  const replica = await redis({ config: atOnce })
  await follow(replica, data)
  const r = region(replica.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 200))
  await level(r, docs.uid)
  const reasons = new Set<string | undefined>()
  const watching = setInterval(() => reasons.add(r.follower.checkpoint?.repair?.reason), 1)
  const syncs = async () => /sync_full:(\d+)/.exec(String(await data.command('INFO', 'stats')))?.[1]
  for (let i = 0; i < 3; i++) {
    // A restarted primary has another replication id, so that the replica copies everything.
    await data.kill()
    await data.start()
    await primary.claim()
    await primary.upsert(docs, rows(i * 10, i * 10 + 10))
    await follow(replica, data)
    expect(Number(await syncs())).toBeGreaterThan(0)
    await primary.upsert(docs, [{ id: `after-${i}` }])
    await vi.waitFor(async () => expect(await everything(r, docs.uid)).toHaveProperty(`after-${i}`), 5_000)
  }
  clearInterval(watching)
  expect([...reasons]).toEqual([undefined])
  await level(r, docs.uid)
  expect(await searched(r, docs.uid)).toBe(203)
})

it('of two sidecars one fills and follows, and the other reads no entry and no chunk', async () => {
  const { data, index, primary } = await cluster()
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 600))
  const both = [region(data.url, index.url), region(data.url, index.url)] as const
  const scans = both.map(({ data: read }) => {
    const pages = { count: 0 }
    const { scan } = read
    read.scan = (...args) => {
      // This spec's own look at all chunks asks for more at once.
      if (args[2] < 1_000) pages.count += 1
      return scan.apply(read, args)
    }
    return pages
  })
  const batches = both.map(batchesOf)
  for (const each of both) await level(each, docs.uid)
  expect(scans.map(({ count }) => count > 0).sort()).toEqual([false, true])
  for (let i = 0; i < 8; i++) {
    await primary.upsert(docs, rows(i, i + 5))
    for (const each of both) await level(each, docs.uid)
  }
  expect(batches.map(({ count }) => count > 0).sort()).toEqual([false, true])
})

it('takes over at once from a sidecar that is gone, and within three seconds from one that hangs', async () => {
  const { data, index, primary } = await cluster()
  const a = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 10))
  await level(a, docs.uid)
  const b = region(data.url, index.url)
  await level(b, docs.uid)
  expect(b.follower.checkpoint?.by).toBe(a.id)

  hold(a)
  await primary.upsert(docs, rows(10, 20))
  const hungAt = performance.now()
  await vi.waitFor(async () => expect(Object.keys(await everything(b, docs.uid))).toHaveLength(20), 5_000)
  expect(performance.now() - hungAt).toBeLessThan(3_000)
  await level(b, docs.uid)
  expect(b.follower.checkpoint?.by).toBe(b.id)

  const c = region(data.url, index.url)
  await level(c, docs.uid)
  await b.stop()
  await primary.upsert(docs, rows(20, 30))
  const goneAt = performance.now()
  await level(c, docs.uid)
  expect(performance.now() - goneAt).toBeLessThan(1_500)
  expect(c.follower.checkpoint?.by).toBe(c.id)
})

it('tells what is pending, and for how long, until a comparison is done', async () => {
  const { data, index, primary } = await cluster()
  const r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 10))
  await level(r, docs.uid)
  const described = async () => (await r.indexes.describe([docs]))[0]
  expect(await described()).toMatchObject({
    pending: 0n,
    chunks: 10n,
    progress: 1,
    lag: { seconds: 0n, nanos: 0 },
  })
  await r.stop()
  await primary.upsert(docs, rows(10, 40))
  await primary.connection.call('XTRIM', keys.log, 'MAXLEN', 1)
  const again = region(data.url, index.url)
  const seen: { pending: number; progress: number; lagMs: number }[] = []
  await vi.waitFor(
    async () => {
      const [{ pending, progress, lag } = {}] = await again.indexes.describe([docs])
      const repairing = again.follower.checkpoint?.repair
      if (repairing) {
        const lagMs = Number(lag?.seconds) * 1000 + Number(lag?.nanos) / 1e6
        seen.push({ pending: Number(pending), progress: progress ?? 1, lagMs })
      }
      expect(again.follower.state).toBe('level')
    },
    { timeout: 5_000, interval: 0 },
  )
  expect(seen.length).toBeGreaterThan(0)
  for (const { pending, progress, lagMs } of seen) {
    expect(pending).toBe(30)
    expect(progress).toBeLessThanOrEqual(1)
    expect(lagMs).toBeGreaterThan(0)
    expect(lagMs).toBeLessThan(60_000)
  }
  expect((await again.indexes.describe([docs]))[0]).toMatchObject({ pending: 0n, chunks: 40n, progress: 1 })
})
