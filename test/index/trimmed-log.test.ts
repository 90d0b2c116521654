import { RegionalIndex_State } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  chunk,
  createIndex,
  getVersions,
  listVersions,
  MODEL,
  vectorMessage,
  vectorOf,
} from '../support/chunks.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'trimmed'
const INDEX = 'docs'
const CHUNKS = 1_000
const idOf = (i: number) => `chunk-${i}`
const allIds = Array.from({ length: CHUNKS }, (_, i) => idOf(i))

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
  await createIndex(regions.us, NAMESPACE, { name: INDEX })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function write(text: string, ids: readonly string[]): Promise<void> {
  for (let i = 0; i < ids.length; i += 500) {
    const chunks = ids.slice(i, i + 500).map((id) => chunk(id, { text: `${id} ${text}` }))
    await regions.us.search.upsertChunks({ namespace: NAMESPACE, index: INDEX, model: MODEL, chunks })
  }
}

async function agrees(): Promise<boolean> {
  const { eu } = regions
  const truth = await getVersions(regions.us, NAMESPACE, INDEX, allIds)
  const { versions, regions: answered } = await listVersions(eu, NAMESPACE, INDEX)
  if ([...answered].join() !== 'eu-west-1' || versions.size !== truth.size) return false
  return [...truth].every(([id, version]) => versions.get(id) === version)
}

it('a log trimmed to nothing while a sidecar is down is repaired without help, and searches come from the old copy meanwhile', async () => {
  const { us, eu, cluster } = regions
  await write('old', allIds)
  await waitFor("eu-west-1's index", agrees, { timeoutMs: 30_000 })
  await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGKILL')
  await write('new', allIds.slice(0, 400))
  const selection = { case: 'ids' as const, value: { values: allIds.slice(400, 600) } }
  await us.search.deleteChunks({ namespace: NAMESPACE, index: INDEX, selection })
  await cluster.dataRedis('us-east-1').command('XTRIM', 'pg:{0}:log', 'MAXLEN', '0')
  await waitFor('it to be trimmed in eu-west-1', async () => {
    return (await cluster.dataRedis('eu-west-1').command('XLEN', 'pg:{0}:log')) === 0
  })
  await cluster.startProcess('eu-west-1', 'sidecar')

  const k = 20
  const answers = { old: 0, elsewhere: 0, refused: 0 }
  let looked = 0
  const states = new Set<RegionalIndex_State | undefined>()
  await waitFor(
    "eu-west-1's index to be repaired",
    async () => {
      const vector = vectorMessage(vectorOf(`${idOf(5)} old`))
      await eu.search
        .search({ namespace: NAMESPACE, index: INDEX, model: MODEL, vector, k })
        .then(({ hits, receipt }) => {
          // Never a part of it without saying so: all k, from here or from the primary.
          expect(hits).toHaveLength(k)
          if (receipt?.fallback) answers.elsewhere += 1
          else answers.old += 1
        })
        .catch((error) => {
          if (error.details === undefined) throw error
          expect(['INDEX_BUILDING', 'DATA_UNAVAILABLE', undefined]).toContain(error.details.reason)
          answers.refused += 1
        })
      const described = await eu.search.getIndex({ namespace: NAMESPACE, name: INDEX }).catch(() => undefined)
      states.add(described?.regions.find(({ region }) => region === 'eu-west-1')?.state)
      looked += 1
      return looked % 20 === 0 && agrees()
    },
    { timeoutMs: 60_000, everyMs: 5, explain: () => answers },
  )
  expect(answers.old).toBeGreaterThan(0)
  expect(states).not.toContain(RegionalIndex_State.STALE)
  expect((await getVersions(us, NAMESPACE, INDEX, allIds)).size).toBe(CHUNKS - 200)
})
