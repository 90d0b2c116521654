import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import type { IndexDefinition } from '../redis/index-definition.ts'
import type { Findings } from './index-audit.ts'
import {
  chunksOf,
  cluster,
  copiesOf,
  everything,
  hold,
  keys,
  level,
  type Region,
  region,
  rows,
} from './region.spec-support.ts'

const signal = new AbortController().signal

async function verify({ audit }: Region, index: IndexDefinition, repair = false): Promise<Findings> {
  let last: Findings | undefined
  for await (const findings of audit.verify(index, { repair, signal })) last = findings
  if (!last) throw new Error('no findings')
  return last
}

async function filled(count: number) {
  const { data, index, primary } = await cluster()
  const r = region(data.url, index.url)
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, count))
  await level(r, docs.uid)
  return { data, index, primary, r, docs }
}

it('finds nothing wrong with an index that is as its chunks are', async () => {
  const { r, docs } = await filled(700)
  const findings = { checked: 700, missing: 0, outdated: 0, orphaned: 0, repaired: 0 }
  expect(await verify(r, docs)).toEqual(findings)
  expect(await verify(r, docs, true)).toEqual(findings)
})

it('counts what is missing, outdated and orphaned, changes nothing, and mends it when told to', async () => {
  const { index, r, docs } = await filled(500)
  const copy = (id: string) => keys.copy(docs.uid, id)
  // A copy without its listing, a listing without its copy, and one that neither has.
  await index.command('ZREM', keys.copyIds(docs.uid), '1')
  await index.command('DEL', copy('2'))
  await index.command('DEL', copy('3'))
  await index.command('ZREM', keys.copyIds(docs.uid), '3')
  // Older and newer than the chunk, and one whose vector nobody can index.
  await index.command('HSET', copy('4'), 'version', '1-1')
  await index.command('HSET', copy('5'), 'version', '9007199254740991-1')
  await index.command('HSET', copy('6'), 'embedding', 'short')
  // Copies of no chunk, listed and not.
  const fields = ['embedding', 'xxxxxxxx', 'chunk_id', 'o', 'lang', 'en', 'version', '1-1', 'text', '']
  for (const id of ['orphan-1', 'orphan-2']) await index.command('HSET', copy(id), ...fields)
  await index.command('ZADD', keys.copyIds(docs.uid), '0', 'orphan-2', '0', 'orphan-3')

  const wrong = { checked: 500, missing: 3, outdated: 3, orphaned: 3 }
  expect(await verify(r, docs)).toEqual({ ...wrong, repaired: 0 })
  expect(await verify(r, docs)).toEqual({ ...wrong, repaired: 0 })
  expect(await verify(r, docs, true)).toEqual({ ...wrong, repaired: 9 })
  expect(await verify(r, docs)).toEqual({ checked: 500, missing: 0, outdated: 0, orphaned: 0, repaired: 0 })
  await level(r, docs.uid)
  expect(await everything(r, docs.uid)).toEqual(await chunksOf(r, docs.uid))
})

it('takes no change under way for a fault, be the index behind or busy', async () => {
  const { primary, r, docs } = await filled(300)
  const release = hold(r)
  await primary.upsert(docs, rows(250, 400))
  await primary.delete(docs, ['7', '8'])
  const verifying = verify(r, docs)
  let writing = true
  const write = (async () => {
    for (let i = 0; writing; i++) {
      await primary.upsert(docs, rows(i % 200, (i % 200) + 3))
      await primary.delete(docs, [String((i * 7) % 400)])
    }
  })()
  await vi.waitFor(() => expect(r.follower.state).toBe('level'))
  release()
  expect(await verifying).toMatchObject({ missing: 0, outdated: 0, orphaned: 0 })
  for (let i = 0; i < 5; i++) {
    expect(await verify(r, docs, true)).toMatchObject({ missing: 0, outdated: 0, orphaned: 0, repaired: 0 })
  }
  writing = false
  await write
  await level(r, docs.uid)
})

it('finds chunks of a region-scoped index that are missing, and copies that are meant for other regions', async () => {
  const { data, index, primary } = await cluster()
  const r = region(data.url, index.url, 'us-east-1')
  const docs = await primary.createIndex('docs', { regionScoped: true })
  const tagged = (id: string, ...tags: string[]) => ({ id, tags })
  await primary.upsert(docs, [tagged('1', 'us-east-1'), tagged('2', 'eu-west-1'), tagged('3')])
  await vi.waitFor(async () => {
    expect(r.follower.state).toBe('level')
    expect(Object.keys(await copiesOf(r, docs.uid))).toEqual(['1', '3'])
  })
  expect(await verify(r, docs)).toMatchObject({ checked: 2, missing: 0, outdated: 0, orphaned: 0 })
  const stranger = ['embedding', 'xxxxxxxx', 'chunk_id', '2', 'lang', 'en', 'version', '1-1']
  await index.command('HSET', keys.copy(docs.uid, '2'), ...stranger)
  await index.command('ZADD', keys.copyIds(docs.uid), '0', '2')
  await index.command('DEL', keys.copy(docs.uid, '3'))
  expect(await verify(r, docs, true)).toMatchObject({ missing: 1, orphaned: 1, repaired: 2 })
  expect(Object.keys(await everything(r, docs.uid)).sort()).toEqual(['1', '3'])
})

it('is mended by the sidecar that was asked, also while another one of its region leads', async () => {
  const { data, index, r, docs } = await filled(100)
  const other = region(data.url, index.url)
  await level(other, docs.uid)
  expect(other.follower.checkpoint?.by).toBe(r.id)
  await index.command('DEL', keys.copy(docs.uid, '5'))
  expect(await verify(other, docs, true)).toMatchObject({ missing: 1, repaired: 1 })
  expect(await verify(r, docs)).toMatchObject({ missing: 0 })
  await level(r, docs.uid)
})

it('fills an index anew while it serves all of its old copy, and whatever was altered is as the chunks are again', async () => {
  const { primary, index, r, docs } = await filled(400)
  await index.command('HSET', keys.copy(docs.uid, '5'), 'text', 'altered', 'lang', 'xx')
  await index.command('HSET', keys.copy(docs.uid, 'orphan'), 'embedding', 'xxxxxxxx', 'version', '1-1')
  const sizes: number[] = []
  let going = true
  const searching = (async () => {
    while (going) {
      sizes.push(Object.keys(await everything(r, docs.uid)).length)
      // The follower yields to those who search.
      await delay(20)
    }
  })()
  const parts: number[] = []
  const progress: number[] = []
  for await (const part of r.audit.rebuild(docs, signal)) {
    if (part === 0) await primary.upsert(docs, rows(10, 12))
    parts.push(part)
    const [state] = await r.indexes.describe([docs])
    progress.push(state?.progress ?? 0)
  }
  going = false
  await searching
  expect(parts).toEqual([...parts].sort((a, b) => a - b))
  expect(parts.at(-1)).toBe(1)
  expect(progress.filter((part) => part > 0 && part < 1).length).toBeGreaterThan(2)
  expect(progress.at(-1)).toBe(1)
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(400)
  const fields = await index.command('HMGET', keys.copy(docs.uid, '5'), 'text', 'lang')
  expect(fields).toEqual(['5', 'en'])
  await level(r, docs.uid)
  expect(await everything(r, docs.uid)).toEqual(await chunksOf(r, docs.uid))
})

it('stops filling anew when it is cancelled, and the index stays whole', async () => {
  const { r, docs } = await filled(1500)
  const cancelled = new AbortController()
  const rebuild = r.audit.rebuild(docs, cancelled.signal)
  await rebuild.next()
  await rebuild.next()
  cancelled.abort(new Error('enough'))
  await expect(rebuild.next()).rejects.toThrow('enough')
  expect((await r.indexes.describe([docs]))[0]).toMatchObject({ progress: 1 })
  expect(Object.keys(await everything(r, docs.uid))).toHaveLength(1500)
  await level(r, docs.uid)
})

it('refuses to verify an index that is still being filled, and waits for it when told to fill it anew', async () => {
  const { data, index, primary } = await cluster()
  const docs = await primary.createIndex('docs')
  await primary.upsert(docs, rows(0, 300))
  const r = region(data.url, index.url)
  const release = hold(r)
  await vi.waitFor(
    () => expect(verify(r, docs)).rejects.toMatchObject({ details: { reason: 'INDEX_BUILDING' } }),
    5_000,
  )
  const rebuild = r.audit.rebuild(docs, signal)
  expect((await rebuild.next()).value).toBe(0)
  release()
  let last = 0
  for await (const part of rebuild) last = part
  expect(last).toBe(1)
  await level(r, docs.uid)
})
