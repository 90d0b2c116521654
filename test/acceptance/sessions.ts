/**
 * What sessions cost, on this machine: how session reads are answered in a region that is so far from the primary, and what
 * those cost that have nothing to wait for, against eventual ones side by side. Fails when that is more than a tenth.
 *
 *     npm run acceptance:sessions -- [--reads 400] [--rounds 7] [--batches 100]
 */
import { parseArgs } from 'node:util'
import { LocalCluster } from '@perigee/local-cluster'
import { clientIn } from '../support/client-in.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Cost, costLine, costOf, median } from './session-cost.ts'
import { AGE_MAX_MS, type Regions, sessionReads, setDistance, shareLine } from './session-reads.ts'

const DELAYS_MS = [50, 100, 250, 500]
const COST_MAX = 1.1
const [PRIMARY, REPLICA] = ['us-east-1', 'eu-west-1']
const MODEL = { id: 'acceptance', revision: '1' }
const DIMENSIONS = 384

const { values } = parseArgs({
  options: {
    reads: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '7' },
    batches: { type: 'string', default: '100' },
  },
})
const [reads, rounds, batches] = [values.reads, values.rounds, values.batches].map(Number) as [
  number,
  number,
  number,
]

await using cluster = await LocalCluster.start({
  regions: [PRIMARY, REPLICA],
  distances: 'none',
  sentinel: false,
})
await using primary = await clientIn(cluster, PRIMARY)
await using replica = await clientIn(cluster, REPLICA)
const regions: Regions = {
  cluster,
  primary: { name: PRIMARY, client: primary },
  replica: { name: REPLICA, client: replica },
}
await waitFor('a first write', () => primary.cache('acceptance').set('warm', 0))

const costs = [await getCost(), await searchCost()]
const noise = await noiseOf()
console.log(`\nSession reads that have nothing to wait for, against eventual ones (session / eventual):\n`)
console.log('| read | time of a batch of 32: median (rounds) | latency of one: median (rounds) |')
console.log('| --- | --- | --- |')
for (const cost of [...costs, noise]) console.log(costLine(cost))

for (const writer of ['primary', 'replica'] as const) {
  const where = writer === 'primary' ? PRIMARY : REPLICA
  console.log(
    `\nSessions that wrote in ${where}, and read that in ${REPLICA} up to ${AGE_MAX_MS} ms later (share: p50 / p99 in ms):\n`,
  )
  console.log('| one-way delay | local | waited | forwarded | all |')
  console.log('| --- | --- | --- | --- | --- |')
  for (const delayMs of DELAYS_MS) {
    await setDistance(regions, delayMs)
    console.log(shareLine(await sessionReads(regions, { delayMs, writer, reads })))
  }
}

const dear = costs.filter(
  ({ throughput, latency }) => median(throughput) > COST_MAX || median(latency) > COST_MAX,
)
for (const { what } of dear) console.error(`\na session's ${what} costs more than ${COST_MAX} eventual ones`)
if (dear.length > 0) process.exitCode = 1

async function getCost(): Promise<Cost> {
  const session = primary.session()
  const value = 'x'.repeat(1024)
  await session.cache<string>('cost').setMany(Array.from({ length: 100 }, (_, i) => [`${i}`, value]))
  const seen = replica.session(session.token)
  await seen.cache('cost').get('0', { maxWaitMs: 5_000, whenBehind: 'fail' })
  const caches = { session: seen.cache('cost'), eventual: replica.cache('cost') }
  const read = (kind: keyof typeof caches) => (i: number) => caches[kind].get(`${i % 100}`)
  return costOf('Get of 1 KiB', { session: read('session'), eventual: read('eventual') }, { rounds, batches })
}

/** What the same comparison says of reads that are the same: how far this machine can be trusted just now. */
async function noiseOf(): Promise<Cost> {
  const cache = replica.cache('cost')
  const read = (i: number) => cache.get(`${i % 100}`)
  const kinds = { session: read, eventual: read }
  return costOf('none: eventual Gets against each other', kinds, { rounds, batches })
}

async function searchCost(): Promise<Cost> {
  const session = primary.session()
  const docs = session.index('cost', { model: MODEL })
  await docs.ensureIndex({ dimensions: DIMENSIONS })
  const vectors = Array.from({ length: 200 }, () =>
    Array.from({ length: DIMENSIONS }, () => Math.random() - 0.5),
  )
  await docs.upsert(vectors.map((vector, i) => ({ id: `${i}`, text: `chunk ${i}`, vector })))
  const seen = replica.session(session.token)
  await waitFor('the index', () =>
    seen
      .index('cost', { model: MODEL })
      .search(vectors[0] as number[], { maxWaitMs: 5_000, whenBehind: 'fail' }),
  )
  const indexes = {
    session: seen.index('cost', { model: MODEL }),
    eventual: replica.index('cost', { model: MODEL }),
  }
  const read = (kind: keyof typeof indexes) => (i: number) =>
    indexes[kind].search(vectors[i % vectors.length] as number[], { view: 'id' })
  const kinds = { session: read('session'), eventual: read('eventual') }
  return costOf('Search for 10 of 200', kinds, { rounds, batches })
}
