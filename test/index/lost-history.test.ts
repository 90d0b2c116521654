import { setTimeout as pause } from 'node:timers/promises'
import type { RegionStatus } from '@perigee/protocol'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type SentinelRegions, settled, startSentinelRegions } from '../failover/sentinel-regions.ts'
import {
  chunk,
  createIndex,
  getVersions,
  listVersions,
  MODEL,
  vectorMessage,
  vectorOf,
} from '../support/chunks.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'lost'
const INDEX = 'docs'
const CHUNKS = 200
const idOf = (i: number) => `chunk-${String(i).padStart(3, '0')}`
const allIds = Array.from({ length: CHUNKS }, (_, i) => idOf(i))
const inIndex = { namespace: NAMESPACE, index: INDEX, model: MODEL }
const patient = { timeoutMs: 60_000, everyMs: 100 }

let regions: SentinelRegions
let round = 0
let home: string

beforeAll(async () => {
  regions = await startSentinelRegions()
  home = (await regions.client(regions.regions[0] as string).cluster.getStatus({})).primaryRegion
  await createIndex(regions.client(home), NAMESPACE, { name: INDEX })
}, 180_000)

beforeEach(async () => {
  round += 1
  await settled(regions)
  home = (await regions.client(home).cluster.getStatus({})).primaryRegion
  await write(allIds.map((id) => chunk(id, { text: `${id} kept ${round}` })))
  await allAgree()
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

function write(chunks: ReturnType<typeof chunk>[]) {
  return regions.client(home).search.upsertChunks({ ...inIndex, chunks }, { timeoutMs: 1_500 })
}

/** Until every region's index, by its own answer, holds exactly what its data Redis and the primary's do. */
async function allAgree(): Promise<void> {
  for (const region of regions.regions) {
    let state = ''
    const agrees = async () => {
      const here = regions.client(region)
      const ids = [...allIds, ...allIds.map((id) => `new-${id}`)]
      const truth = await getVersions(here, NAMESPACE, INDEX, ids)
      const { versions, regions: answered } = await listVersions(here, NAMESPACE, INDEX)
      const wrong = ids.filter((id) => truth.get(id) !== versions.get(id))
      state = `${wrong.length} differ of ${truth.size}, answered by ${[...answered]}`
      return wrong.length === 0 && truth.size === CHUNKS && [...answered].join() === region
    }
    await waitFor(`${region}'s index to be as its chunks are`, agrees, { ...patient, explain: () => state })
  }
}

/** A search that was answered. */
interface Answer {
  readonly region: string
  readonly startedMs: number
  readonly answeredBy: string
  readonly lost: readonly string[]
}

/** Searches in every region without a pause for what is about to be lost. */
function searchEverywhere(isLost: (text: string) => boolean) {
  const answers: Answer[] = []
  let going = true
  const loops = regions.regions.map(async (region) => {
    for (let i = 0; going; i++) {
      const startedMs = performance.now()
      const vector = vectorMessage(vectorOf(`${idOf(i % CHUNKS)} lost ${round}`))
      const found = await regions
        .client(region)
        .search.search({ ...inIndex, vector, k: 20 }, { timeoutMs: 1_000 })
        .catch(() => undefined)
      if (found) {
        const lost = found.hits.map((hit) => hit.chunk?.text ?? '').filter(isLost)
        answers.push({ region, startedMs, answeredBy: found.receipt?.region ?? '', lost })
      }
      await pause(2)
    }
  })
  return {
    answers,
    async stop() {
      going = false
      await Promise.all(loops)
    },
  }
}

/** Writes at the primary what no replica gets; gives a session token of it. */
async function writeWhatIsLost(): Promise<Uint8Array> {
  const lost = (id: string) => chunk(id, { text: `${id} lost ${round}` })
  await write(allIds.slice(0, 20).map((id) => lost(`new-${id}`)))
  const selection = { case: 'ids' as const, value: { values: allIds.slice(40, 45) } }
  const client = regions.client(home).search
  await client.deleteChunks({ namespace: NAMESPACE, index: INDEX, selection }, { timeoutMs: 1_500 })
  const { receipt } = await write(allIds.slice(20, 40).map(lost))
  return receipt?.sessionToken ?? new Uint8Array()
}

/** When a region has heard that another one is the primary. */
async function heardOfAnother(region: string): Promise<number> {
  let seen: RegionStatus[] = []
  await waitFor(
    `${region} to hear of another primary`,
    async () => {
      const status = await regions.client(region).cluster.getStatus({})
      seen = status.regions
      return status.primaryRegion !== home
    },
    { ...patient, everyMs: 5, explain: () => seen.map((r) => [r.region, r.role, r.state, r.position]) },
  )
  return performance.now()
}

async function claimedElsewhere(): Promise<void> {
  await Promise.all(regions.others(home).map(heardOfAnother))
}

/** The answers that the old primary's region gave to searches begun after a moment. */
function atHomeSince(answers: readonly Answer[], ms: number): readonly Answer[] {
  return answers.filter(({ region, startedMs }) => region === home && startedMs > ms)
}

/** However soon the region is level again, it is searched for a while after that. */
async function enough(answers: readonly Answer[], heardMs: number): Promise<void> {
  const own = () => atHomeSince(answers, heardMs).filter(({ answeredBy }) => answeredBy === home)
  await waitFor('searches answered by the old primary', () => own().length > 20, patient)
}

/** Nobody found anything lost: the others never, the old primary's region not since it heard of the new one. */
function judge(answers: readonly Answer[], heardMs: number): void {
  const elsewhere = answers.filter(({ region }) => region !== home)
  expect(elsewhere.length).toBeGreaterThan(100)
  expect(elsewhere.filter(({ lost }) => lost.length > 0)).toEqual([])
  expect(atHomeSince(answers, heardMs).filter(({ lost }) => lost.length > 0)).toEqual([])
}

async function lostIsTold(sessionToken: Uint8Array): Promise<void> {
  for (const region of regions.regions) {
    const vector = vectorMessage(vectorOf('anything'))
    const search = { ...inIndex, vector, k: 1, options: { sessionToken } }
    await expect(regions.client(region).search.search(search)).rejects.toMatchObject({
      status: 'DATA_LOSS',
      details: { reason: 'LOST_HISTORY' },
    })
  }
}

it('what a cut-off primary wrote is found nowhere once its region has heard of the next one, and every index ends as its chunks are', async () => {
  const { cluster } = regions
  const searches = searchEverywhere((text) => text.endsWith(`lost ${round}`))
  await cluster.setLinks(home, { mode: 'cut' })
  const token = await writeWhatIsLost()
  await waitFor("the old primary's index to find what will be lost", () =>
    searches.answers.some(({ region, lost }) => region === home && lost.length > 0),
  )
  await claimedElsewhere()
  await cluster.setLinks(home, { mode: 'open' })
  const heardMs = await heardOfAnother(home)
  await allAgree()
  await enough(searches.answers, heardMs)
  await searches.stop()
  judge(searches.answers, heardMs)
  await lostIsTold(token)
}, 180_000)

it('what a killed primary wrote is not found when its Redis comes back with it, before it follows the next one, nor after', async () => {
  const { cluster } = regions
  const searches = searchEverywhere((text) => text.endsWith(`lost ${round}`))
  await cluster.setLinks(home, { mode: 'cut' })
  const token = await writeWhatIsLost()
  await waitFor("the old primary's index to find what will be lost", () =>
    searches.answers.some(({ region, lost }) => region === home && lost.length > 0),
  )
  await cluster.stopProcess(home, 'dataRedis', 'SIGKILL')
  await claimedElsewhere()
  await cluster.setLinks(home, { mode: 'open' })
  const heardMs = await heardOfAnother(home)
  await cluster.startProcess(home, 'dataRedis')
  await allAgree()
  await enough(searches.answers, heardMs)
  await searches.stop()
  judge(searches.answers, heardMs)
  await lostIsTold(token)
}, 180_000)
