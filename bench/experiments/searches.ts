import { loadInput } from '../input/input.ts'
import { fillIndex } from '../regions/indexes.ts'
import { type Comparison, type Experiment, playSides, regionsOf, rowsOf, wantedOf } from './experiment.ts'

const SIDES = ['sdk-search', 'ioredis-search', 'node-redis-search'] as const
const [OURS, IOREDIS, NODE_REDIS] = SIDES

/** Searches with many in flight. */
export const searchesManyInFlight = searches('Search, k 10, HNSW, 16 in flight', 16, 'perSecond', [
  { row: 'search-many', figure: 'perSecond', ours: OURS, theirs: IOREDIS },
  { row: 'search-many/node-redis', figure: 'perSecond', ours: OURS, theirs: NODE_REDIS },
  { row: 'search-many/recall', figure: 'recall', ours: OURS, theirs: IOREDIS },
])

/** Searches one after the other. */
export const searchesOneByOne = searches('Search, k 10, HNSW, one in flight', 1, 'p50Ms', [
  { row: 'search-one', figure: 'p50Ms', ours: OURS, theirs: IOREDIS, by: 'above' },
  { row: 'search-one/node-redis', figure: 'p50Ms', ours: OURS, theirs: NODE_REDIS, by: 'above' },
])

function searches(
  title: string,
  inFlight: number,
  figure: 'perSecond' | 'p50Ms',
  comparisons: readonly Comparison[],
): Experiment {
  return {
    title,
    rows: comparisons.map(({ row }) => row),
    regions: 'alone',
    async run(bench) {
      const place = regionsOf(bench).place()
      bench.progress('filling the index')
      const input = await loadInput(place.input)
      const searched = await fillIndex(place, 'docs', input.chunks)
      const turn = { inFlight, forMs: bench.settings.turnMs }
      const samples = await playSides(SIDES, { bench, place: { ...place, searched }, turn })
      const plot = { figure, unit: figure === 'perSecond' ? 'calls/s' : 'ms' }
      return { rows: rowsOf(wantedOf(comparisons, bench), samples), samples, plot }
    },
  }
}
