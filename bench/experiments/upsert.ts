import { type Comparison, type Experiment, playSides, regionsOf, rowsOf, sidesOf } from './experiment.ts'

const COMPARISONS: readonly Comparison[] = [
  { row: 'upsert', figure: 'perSecond', ours: 'sdk-upsert', theirs: 'raw-hset' },
  { row: 'upsert/indexed', figure: 'perSecond', ours: 'sdk-upsert', theirs: 'raw-fill' },
]

/** Chunks acknowledged at the primary; its follower indexes them meanwhile. */
export const upserts: Experiment = {
  title: 'UpsertChunks at the primary',
  rows: COMPARISONS.map(({ row }) => row),
  regions: 'alone',
  async run(bench) {
    const turn = { count: bench.settings.upsertChunks }
    const place = regionsOf(bench).place()
    const samples = await playSides(sidesOf(COMPARISONS), { bench, place, turn })
    return { rows: rowsOf(COMPARISONS, samples), samples, plot: { figure: 'perSecond', unit: 'chunks/s' } }
  },
}
