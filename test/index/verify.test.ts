import { Perigee } from '@perigee/sdk'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { perigee } from '../cli/run-perigee.ts'
import { chunk, createIndex, listVersions, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'care'
const INDEX = 'docs'
const ALIAS = 'all-docs'
const CHUNKS = 600

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
  const { us, eu } = regions
  await createIndex(us, NAMESPACE, { name: INDEX })
  const other = { id: 'test/other', revision: '1' }
  await createIndex(us, NAMESPACE, { name: 'other', model: other })
  const chunks = (from: number) => Array.from({ length: 200 }, (_, i) => chunk(`chunk-${from + i}`))
  for (let i = 0; i < CHUNKS; i += 200)
    await us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks: chunks(i) })
  await us.search.upsertChunks({ namespace: NAMESPACE, index: 'other', model: other, chunks: [chunk('one')] })
  await us.search.putAlias({ namespace: NAMESPACE, alias: { name: ALIAS, indexes: [INDEX, 'other'] } })
  for (const client of [us, eu])
    await waitFor('all chunks', async () => (await listed(client)).size === CHUNKS)
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function listed(client: TwoRegions['us']) {
  return (await listVersions(client, NAMESPACE, INDEX)).versions
}

function run(...args: string[]) {
  const { stateFile } = regions.cluster
  return perigee([...args, '--namespace', NAMESPACE, '--state', stateFile])
}

/** Spoils eu-west-1's copies: one is gone, one is of another version, one has no chunk. */
async function spoil(): Promise<void> {
  const index = regions.cluster.indexRedis('eu-west-1')
  const [copies] = ((await index.command('KEYS', 'pg:{0}:copy-ids:*')) as string[]).filter(Boolean)
  const uids = ((await index.command('KEYS', 'pg:{0}:copy-ids:*')) as string[]).map((key) =>
    key.split(':').at(-1),
  )
  expect(copies).toBeDefined()
  for (const uid of uids) {
    const key = (id: string) => `pg:{0}:copy:${uid}:${id}`
    if ((await index.command('EXISTS', key('chunk-5'))) !== 1) continue
    await index.command('DEL', key('chunk-5'))
    await index.command('HSET', key('chunk-6'), 'version', '1-1')
    const vector = 'x'.repeat(32)
    await index.command(
      'HSET',
      key('stranger'),
      'embedding',
      vector,
      'chunk_id',
      'stranger',
      'version',
      '1-1',
    )
    await index.command('ZADD', `pg:{0}:copy-ids:${uid}`, '0', 'stranger')
  }
}

const clean = { missing: 0, outdated: 0, orphaned: 0, repaired: 0, done: true }

it('perigee verify finds nothing in indexes that are as their chunks are, by name and by alias, in every region', async () => {
  const byName = await run('verify', INDEX, '-o', 'json')
  expect(byName, byName.stderr).toMatchObject({ exitCode: 0 })
  expect(
    byName.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { region: 'us-east-1', checked: CHUNKS, ...clean },
    { region: 'eu-west-1', checked: CHUNKS, ...clean },
  ])
  const byAlias = await run('verify', ALIAS, '--region', 'eu-west-1', '-o', 'json')
  expect(JSON.parse(byAlias.stdout)).toEqual({ region: 'eu-west-1', checked: CHUNKS + 1, ...clean })
})

it('perigee verify tells what differs by exit code 6, and with --repair mends it', async () => {
  await spoil()
  const found = { region: 'eu-west-1', checked: CHUNKS, missing: 1, outdated: 1, orphaned: 1, done: true }
  const told = await run('verify', INDEX, '--region', 'eu-west-1', '-o', 'json')
  expect(told.exitCode).toBe(6)
  expect(JSON.parse(told.stdout)).toEqual({ ...found, repaired: 0 })
  expect(JSON.parse(told.stderr)).toMatchObject({ error: { code: 'DIFFERENT' } })
  const mended = await run('verify', INDEX, '--repair', '-o', 'json')
  expect(mended, mended.stderr).toMatchObject({ exitCode: 0 })
  const [us, eu] = mended.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(us).toEqual({ region: 'us-east-1', checked: CHUNKS, ...clean })
  expect(eu).toEqual({ ...found, repaired: 3 })
  expect(await run('verify', INDEX)).toMatchObject({ exitCode: 0 })
  expect(await listed(regions.eu)).toEqual(await listed(regions.us))
})

it('perigee rebuild fills an index anew in every region, which serves meanwhile', async () => {
  await spoil()
  const built = await run('rebuild', INDEX, '-o', 'json')
  expect(built, built.stderr).toMatchObject({ exitCode: 0 })
  const states = built.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(states).toMatchObject(
    ['us-east-1', 'eu-west-1'].map((region) => ({
      ...{ region, index: INDEX, state: 'serving', chunks: CHUNKS, progress: 1 },
    })),
  )
  expect(await run('verify', INDEX)).toMatchObject({ exitCode: 0 })
  expect(await listed(regions.eu)).toEqual(await listed(regions.us))
})

it('copies that lack their encoded chunk, as an older version made them, are found and shown all the same', async () => {
  const index = regions.cluster.indexRedis('eu-west-1')
  const search = async () => {
    const vector = vectorMessage(vectorOf('chunk-7'))
    const asked = { namespace: NAMESPACE, index: INDEX, model: MODEL, vector, k: 5 }
    return (await regions.eu.search.search(asked)).hits
  }
  const before = await search()
  expect(before[0]).toMatchObject({ chunk: { id: 'chunk-7', text: expect.stringMatching(/./) } })
  for (const { chunk: found } of before) {
    const keys = (await index.command('KEYS', `pg:{0}:copy:*:${found?.id}`)) as string[]
    for (const key of keys) expect(await index.command('HDEL', key, 'shown-chunk')).toBe(1)
  }
  expect(await search()).toEqual(before)
})

it('both say what is wrong: no such index, no such region', async () => {
  for (const command of ['verify', 'rebuild']) {
    const missing = await run(command, 'nothing', '-o', 'json')
    expect(missing.exitCode).toBe(3)
    expect(JSON.parse(missing.stderr)).toMatchObject({ error: { reason: 'INDEX_NOT_FOUND' } })
    expect(await run(command, INDEX, '--region', 'mars')).toMatchObject({ exitCode: 2 })
  }
})

it('the SDK tells progress, ends a rebuild when the loop is left, and the index stays whole', async () => {
  const [, eu] = regions.cluster.state().regions
  await using client = await Perigee.connect({ addresses: { 'eu-west-1': eu?.grpc ?? '' } })
  const parts: number[] = []
  for await (const { progress, state } of client.cluster.rebuildIndex(INDEX, { namespace: NAMESPACE })) {
    expect(state).toBe('serving')
    parts.push(progress)
    break
  }
  expect(parts).toHaveLength(1)
  const findings = []
  for await (const found of client.cluster.verifyIndex(INDEX, { namespace: NAMESPACE })) findings.push(found)
  expect(findings.at(-1)).toEqual({ checked: CHUNKS, ...clean })
  expect(findings.slice(0, -1).every(({ done }) => !done)).toBe(true)
})
