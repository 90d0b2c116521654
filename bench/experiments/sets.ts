import { type Comparison, type Experiment, playSides, regionsOf, rowsOf, sidesOf } from './experiment.ts'

const IN_FLIGHT = 256
const COMPARISON: Comparison = {
  row: 'set-pipelined',
  figure: 'perSecond',
  ours: 'sdk-set',
  theirs: 'ioredis-auto-set',
}

/** Sets of 1 KiB with many in flight. */
export const setsManyInFlight: Experiment = {
  title: 'Set of 1 KiB, 256 in flight',
  rows: [COMPARISON.row],
  regions: 'alone',
  async run(bench) {
    const turn = { inFlight: IN_FLIGHT, forMs: bench.settings.turnMs }
    const place = regionsOf(bench).place()
    const samples = await playSides(sidesOf([COMPARISON]), { bench, place, turn })
    return { rows: rowsOf([COMPARISON], samples), samples, plot: { figure: 'perSecond', unit: 'calls/s' } }
  },
}
