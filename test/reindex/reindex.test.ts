import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Perigee, PerigeeError } from '@perigee/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { perigee, startPerigee } from '../cli/run-perigee.ts'
import { clientIn } from '../support/client-in.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import { embed } from './embed.ts'
import { type Fault, Steady, searchAndJudge, type TestModel } from './load.ts'

const OLD: TestModel = { id: 'test/old', revision: '1', seed: 'a', dimensions: 8 }
const NEW: TestModel = { id: 'test/new', revision: '2', seed: 'b', dimensions: 6 }
/** The load is heavy, and the machine may be shared. */
const PATIENT = { timeoutMs: 60_000 }
const TEST_TIMEOUT_MS = 300_000
const REGIONS = ['us-east-1', 'eu-west-1']

let regions: TwoRegions
const clients: Perigee[] = []

beforeAll(async () => {
  regions = await startTwoRegions()
  for (const region of REGIONS)
    clients.push(await clientIn(regions.cluster, region, { defaultTimeoutMs: 20_000 }))
})

afterAll(async () => {
  for (const client of clients) await client.close()
  await regions?.[Symbol.asyncDispose]()
})

const [us, eu] = [0, 1].map((n) => () => clients[n] as Perigee) as [() => Perigee, () => Perigee]

const embedding = (model: TestModel, perTextMs = 0) =>
  `'${process.execPath}' '${fileURLToPath(new URL('./embed.ts', import.meta.url))}' ${model.seed} ${model.dimensions} ${perTextMs}`

/** The arguments that move an alias to the new model. */
const toNew = (alias: string, ...more: string[]) => [
  ...['reindex', alias, '--model', `${NEW.id}@${NEW.revision}`, '--dimensions', String(NEW.dimensions)],
  ...['-o', 'json', '--state', regions.cluster.stateFile, '--timeout', '15s', ...more],
]

async function succeed(args: readonly string[]) {
  const ended = await perigee(args)
  expect(ended, ended.stderr).toMatchObject({ exitCode: 0 })
  return { ...JSON.parse(ended.stdout), stderr: ended.stderr }
}

const chunkOf = (model: TestModel, id: string, text: string) => ({
  ...{ id, text, metadata: { lang: 'en' } },
  vector: embed(model.seed, model.dimensions, text),
})

/** Makes an index of the old model with chunks in it, and an alias of it. */
async function fill(alias: string, count: number): Promise<Map<string, string>> {
  const index = us().index(`${alias}-1`, { model: OLD })
  await index.ensureIndex({
    ...{ dimensions: OLD.dimensions, metric: 'l2', algorithm: 'flat', attributes: { lang: 'tag' } },
  })
  const texts = new Map(Array.from({ length: count }, (_, i) => [`c${i}`, `text ${i}`]))
  await index.upsert([...texts].map(([id, text]) => chunkOf(OLD, id, text)))
  await us().aliases.put(alias, [`${alias}-1`])
  return texts
}

async function textsIn(client: Perigee, index: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  for await (const { id, text } of client.index(index).list({ pageSize: 1_000 })) texts.set(id, text)
  return texts
}

/** What one holds and the other doesn't. */
function differences(is: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): string[] {
  return [...new Set([...is.keys(), ...wanted.keys()])]
    .filter((id) => is.get(id) !== wanted.get(id))
    .map((id) => `${id}: ${is.get(id)} and not ${wanted.get(id)}`)
}

describe('while it is searched and written', () => {
  it('an alias moves to a second model, across a kill -9 of the command: no search fails, no answer mixes models', {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const truth = await fill('docs', 600)
    const faults: Fault[] = []
    const failedWrites: unknown[] = []
    let model = OLD
    let asked: readonly TestModel[] = [OLD]
    // 200 searches and 50 upserts a second, and now and then a deletion, all by the alias.
    await using searches = new Steady({ everyMs: 5, atOnceMax: 16 }, (n) => {
      const now = asked[n % asked.length] as TestModel
      return searchAndJudge(n % 3 ? eu() : us(), 'docs', { model: now, query: `text ${n % 700}`, faults })
    })
    await using writes = new Steady({ everyMs: 20, atOnceMax: 8 }, async (n) => {
      const id = `c${(n * 7) % 701}`
      const text = `text ${id} of write ${n}`
      const docs = (n % 2 ? us() : eu()).index('docs', { model })
      try {
        if (n % 20 === 10) await docs.delete(id)
        else await docs.upsert([chunkOf(model, id, text)])
        if (n % 20 === 10) truth.delete(id)
        else truth.set(id, text)
      } catch (error) {
        failedWrites.push(error)
      }
    })

    // Killed in the middle of its first pass.
    const first = startPerigee(toNew('docs', '--embed', embedding(NEW, 3)))
    const target = await waitFor(
      'the command to have copied some',
      async () => {
        for await (const { name, model: own } of us().indexes()) {
          if (own.id !== NEW.id) continue
          const { regions: copies } = await us().index(name).describe()
          if (copies.some(({ chunks }) => chunks >= 100)) return name
        }
        return undefined
      },
      PATIENT,
    )
    first.kill('SIGKILL')
    await once(first, 'close')
    expect(await us().aliases.get('docs')).toMatchObject({ indexes: ['docs-1'] })

    const refused = await perigee(toNew('docs', '--embed', embedding(NEW)))
    expect(refused).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('--resume') })
    const resumed = await succeed(toNew('docs', '--resume', '--embed', embedding(NEW)))
    expect(resumed).toMatchObject({ indexes: ['docs-1', target], from: 'docs-1', to: target })
    expect(resumed.unchanged).toBeGreaterThan(0)
    expect(resumed.regions.map(({ region }: { region: string }) => region).sort()).toEqual(
      [...REGIONS].sort(),
    )

    // Every region has switched by now: both models are searched for a while.
    asked = [OLD, NEW]
    const both = searches.begun + 400
    await waitFor('400 searches in both models', () => searches.begun >= both, PATIENT)
    // Clients change over: first the searches, then the writes.
    model = NEW
    asked = [NEW]
    const inNew = writes.begun + 25
    await waitFor('25 writes in the new model', () => writes.begun >= inNew, PATIENT)
    const finished = await succeed(toNew('docs', '--finish', '--embed', embedding(NEW)))
    expect(finished).toMatchObject({ indexes: [target] })
    const after = searches.begun + 200
    await waitFor('200 searches after the end', () => searches.begun >= after, PATIENT)
    await Promise.all([searches.end(), writes.end()])
    const rates = [searches, writes].map(
      ({ perSecond, leftOut }) => `${perSecond.toFixed(0)}/s (${leftOut} left out)`,
    )
    process.stdout.write(`reindex under load: searches ${rates[0]}, upserts ${rates[1]}\n`)

    expect(failedWrites).toEqual([])
    expect(faults.slice(0, 5)).toEqual([])
    expect(searches.begun).toBeGreaterThan(1_000)
    await expect(us().index('docs-1').describe()).rejects.toMatchObject({ reason: 'INDEX_NOT_FOUND' })
    for (const client of clients) {
      const explain = async () => differences(await textsIn(client, 'docs'), truth)
      await waitFor(
        'the new index to hold what was written, in every region',
        async () => {
          return (await explain()).length === 0
        },
        { explain },
      )
    }
  })
})

describe('going back', () => {
  it('drops the new index and leaves the alias as it was, but not over what clients wrote in the new model', async () => {
    const truth = await fill('manuals', 50)
    const { to } = await succeed(toNew('manuals', '--embed', embedding(NEW), '--name', 'manuals-2'))
    expect(to).toBe('manuals-2')
    await eu()
      .index('manuals', { model: NEW })
      .upsert([chunkOf(NEW, 'own', 'written in the new model')])
    const back = ['reindex', 'manuals', '--back', '-o', 'json', '--state', regions.cluster.stateFile]
    const refused = await perigee(back)
    expect(refused).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('1 chunks of manuals-2') })
    expect(await us().aliases.get('manuals')).toMatchObject({ indexes: ['manuals-1', 'manuals-2'] })
    expect(await succeed([...back, '--force'])).toMatchObject({ indexes: ['manuals-1'] })
    await expect(us().index('manuals-2').describe()).rejects.toMatchObject({ reason: 'INDEX_NOT_FOUND' })
    expect(await textsIn(us(), 'manuals')).toEqual(truth)
  })
})

describe('copies', () => {
  it('follow changes, deletions and expiries of the first index, and leave what clients wrote later', async () => {
    await fill('notes', 20)
    const old = us().index('notes-1', { model: OLD })
    await old.upsert([{ ...chunkOf(OLD, 'brief', 'expires'), ttlMs: 600_000 }])
    const args = toNew('notes', '--embed', embedding(NEW), '--name', 'notes-2')
    expect(await succeed(args)).toMatchObject({ copied: 21 })
    const copy = us().index('notes-2', { model: NEW })
    const [source, copied] = await Promise.all([old.get('brief'), copy.get('brief')])
    expect(Math.abs(Number(source?.expiresAt) - Number(copied?.expiresAt))).toBeLessThan(5_000)

    await copy.upsert([chunkOf(NEW, 'c1', 'written by a client of the new model')])
    await old.upsert([chunkOf(OLD, 'c2', 'changed by a client of the old model')])
    await copy.upsert([chunkOf(NEW, 'c3', 'new, then'), chunkOf(NEW, 'only', 'in the new index')])
    await old.upsert([chunkOf(OLD, 'c3', 'changed later in the old one')])
    await us().index('notes').delete('c4')
    const again = await succeed([...args, '--resume'])
    expect(again).toMatchObject({ copied: 2, kept: 1, deleted: 0 })
    const texts = await textsIn(us(), 'notes-2')
    expect(Object.fromEntries(texts)).toMatchObject({
      c1: 'written by a client of the new model',
      c2: 'changed by a client of the old model',
      c3: 'changed later in the old one',
      only: 'in the new index',
    })
    expect(texts.has('c4')).toBe(false)
  })
})

describe('finishing', () => {
  it('needs the command only for what was written since; one that was killed before it dropped the old index is ended by --from', async () => {
    const truth = await fill('books', 10)
    const { to } = await succeed(toNew('books', '--embed', embedding(NEW)))
    await us()
      .index('books', { model: OLD })
      .upsert([chunkOf(OLD, 'late', 'written in the old model')])
    truth.set('late', 'written in the old model')
    const finish = toNew('books', '--finish')
    const without = await perigee(finish)
    expect(without).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('--embed') })
    await succeed(toNew('books', '--resume', '--embed', embedding(NEW)))

    // As a kill leaves it between the last two steps.
    await us().aliases.put('books', [to])
    expect(await perigee(finish)).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('--from') })
    expect(await succeed([...finish, '--from', 'books-1'])).toMatchObject({ indexes: [to], copied: 0 })
    await expect(us().index('books-1').describe()).rejects.toMatchObject({ reason: 'INDEX_NOT_FOUND' })
    expect(await textsIn(eu(), 'books')).toEqual(truth)
  })
})

describe('an index without an alias', () => {
  it('is told that it needs one, and gets it by --alias', async () => {
    const truth = await fill('plain', 5)
    await us().aliases.delete('plain')
    const told = await perigee(toNew('plain-1', '--embed', embedding(NEW)))
    expect(told).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--alias plain-1-live') })
    const done = await succeed(toNew('plain-1', '--alias', 'plain-live', '--embed', embedding(NEW)))
    expect(done.indexes).toEqual(['plain-1', done.to])
    expect(await textsIn(eu(), 'plain-live')).toEqual(truth)
    const named = await perigee(toNew('plain-1', '--embed', embedding(NEW)))
    expect(named).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('perigee reindex plain-live'),
    })
  })
})

describe('an embedding command that fails', () => {
  it('ends the reindex with its own words, and the alias stays as it was', async () => {
    await fill('bad', 5)
    const failing = `echo 'no such model' >&2; exit 3`
    const ended = await perigee(toNew('bad', '--embed', failing))
    expect(ended.exitCode).toBe(7)
    expect(ended.stderr).toContain('no such model')
    expect(JSON.parse(ended.stderr.trim().split('\n').at(-1) ?? '').error).toMatchObject({
      ...{ code: 'EMBEDDING', message: expect.stringContaining('exit code 3') },
    })
    const wrong = await perigee(toNew('bad', '--resume', '--embed', embedding({ ...NEW, dimensions: 5 })))
    expect(wrong).toMatchObject({ exitCode: 7, stderr: expect.stringContaining('5 numbers') })
    expect(await us().aliases.get('bad')).toMatchObject({ indexes: ['bad-1'] })
    await expect(
      us()
        .index('bad', { model: NEW })
        .search(embed('b', 6, 'x')),
    ).rejects.toBeInstanceOf(PerigeeError)
    await succeed(toNew('bad', '--resume', '--embed', embedding(NEW)))
  })
})
