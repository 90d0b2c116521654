import { Echo } from '../echo/echo.ts'
import {
  type Comparison,
  type Experiment,
  playSides,
  regionsOf,
  rowsOf,
  sidesOf,
  wantedOf,
} from './experiment.ts'
import { seedValues } from './seed.ts'

const IN_FLIGHT = 256

const MANY: readonly Comparison[] = [
  perSecond('get-pipelined', 'sdk-get', 'ioredis-auto-get'),
  perSecond('get-plain', 'sdk-get', 'ioredis-get'),
  perSecond('get-unary', 'sdk-get', 'unary-get'),
  perSecond('unary-echo', 'unary-get', 'echo-get'),
  perSecond('session-cost', 'sdk-session-get', 'sdk-get'),
]
const ONE: readonly Comparison[] = [
  { row: 'get-one', figure: 'p50Ms', ours: 'sdk-get', theirs: 'ioredis-get' },
]

/** Gets of 1 KiB with many in flight. */
export const getsManyInFlight: Experiment = gets('Get of 1 KiB, 256 in flight', MANY, {
  inFlight: IN_FLIGHT,
  plot: { figure: 'perSecond', unit: 'calls/s' },
})

/** Gets of 1 KiB, one after the other. */
export const getsOneByOne: Experiment = gets('Get of 1 KiB, one in flight', ONE, {
  inFlight: 1,
  plot: { figure: 'p50Ms', unit: 'ms' },
  alsoShown: ['unary-get', 'echo-get'],
})

function gets(
  title: string,
  comparisons: readonly Comparison[],
  how: {
    readonly inFlight: number
    readonly plot: { readonly figure: string; readonly unit: string }
    /** Sides that no row needs, for scale. */
    readonly alsoShown?: readonly string[]
  },
): Experiment {
  const { inFlight, plot, alsoShown = [] } = how
  return {
    title,
    rows: comparisons.map(({ row }) => row),
    regions: 'alone',
    async run(bench) {
      await using echo = await Echo.start()
      const place = regionsOf(bench).place(undefined, { echo: echo.address })
      await seedValues(place)
      const wanted = wantedOf(comparisons, bench)
      const turn = { inFlight, forMs: bench.settings.turnMs }
      const samples = await playSides([...sidesOf(wanted), ...alsoShown], { bench, place, turn })
      return { rows: rowsOf(wanted, samples), samples, plot }
    },
  }
}

function perSecond(row: string, ours: string, theirs: string): Comparison {
  return { row, figure: 'perSecond', ours, theirs }
}
