import { setTimeout as pause } from 'node:timers/promises'
import { Driver } from '../driver/driver.ts'
import { loadInput } from '../input/input.ts'
import { interleave, type Side } from '../measure/interleave.ts'
import { rowOf } from '../measure/row.ts'
import { figure } from '../measure/sample.ts'
import { fillIndex } from '../regions/indexes.ts'
import type { Place } from '../regions/place.ts'
import { type Bench, type Experiment, playSides, regionsOf } from './experiment.ts'

const REPLICA = 'eu-west-1'
/** In flight while it is found out how much the primary can take. */
const IN_FLIGHT = 256
/** In flight while a side warms up. */
const WARM_IN_FLIGHT = 32
/** For the load to be under way, and for what it left to have arrived. */
const SETTLE_MS = 500
/** Longer than any turn: it is stopped. */
const LOAD_FOR_MS = 100_000
const PLOT = { figure: 'p50Ms', unit: 'ms' }

/** How late a replica has what the primary acknowledged, idle and loaded, beside what Redis's replication itself does. */
export const lags: Experiment = {
  title: 'Lag of data at a replica, beyond the distance',
  rows: ['lag-idle', 'lag-idle/redis', 'lag-loaded', 'lag-loaded/redis'],
  regions: 'far',
  async run(bench) {
    const { settings, progress, wants } = bench
    const place = regionsOf(bench).place(REPLICA)
    const turn = { count: settings.lagWrites }
    await using sdk = await Driver.open('sdk-lag', place)
    await using redis = await Driver.open('redis-lag', place)
    await using load = await Driver.open('sdk-set', regionsOf(bench).place())
    await sdk.turn({ inFlight: WARM_IN_FLIGHT, forMs: settings.warmMs, round: -1 })
    await redis.turn({ ...turn, round: -1 })
    const capacity = wants('lag-loaded') ? await capacityOf(load, bench) : 0

    const idle = (driver: Driver) => (round: number) => driver.turn({ ...turn, round })
    const loaded = (driver: Driver) => async (round: number) => {
      const loading = load.turn({ perSecond: capacity / 2, forMs: LOAD_FOR_MS, round })
      try {
        await Promise.race([pause(SETTLE_MS), loading])
        const sample = await driver.turn({ ...turn, round })
        load.stop()
        return { ...sample, loadPerSecond: figure(await loading, 'perSecond') }
      } finally {
        load.stop()
        await loading.catch(() => {})
        await pause(SETTLE_MS)
      }
    }
    const sides: readonly (Side & { readonly row: string })[] = [
      { row: 'lag-idle', name: 'sdk-lag', turn: idle(sdk) },
      { row: 'lag-idle/redis', name: 'redis-lag', turn: idle(redis) },
      { row: 'lag-loaded', name: 'sdk-lag-loaded', turn: loaded(sdk) },
      { row: 'lag-loaded/redis', name: 'redis-lag-loaded', turn: loaded(redis) },
    ]
    const wanted = sides.filter(({ row }) => wants(row))
    const samples = await interleave(wanted, settings.rounds, (side, round) =>
      progress(`round ${round + 1}: ${side}`),
    )
    const rows = wanted.map(({ row, name }) =>
      rowOf(row, samples[name]?.map((one) => figure(one, 'p50Ms')) ?? []),
    )
    return { rows, samples, plot: PLOT }
  },
}

/** Sets a second that the primary takes at most. */
async function capacityOf(load: Driver, { settings, progress }: Bench): Promise<number> {
  const turn = { inFlight: IN_FLIGHT, round: -1 }
  await load.turn({ ...turn, forMs: settings.warmMs })
  const capacity = figure(await load.turn({ ...turn, forMs: settings.turnMs }), 'perSecond')
  progress(`the primary takes ${Math.round(capacity)} Sets/s; half of that is the load`)
  await pause(SETTLE_MS)
  return capacity
}

/** How late a chunk can be found at a replica. */
export const indexLag: Experiment = p50s({
  title: 'Lag of chunks at a replica, beyond the distance',
  sides: { 'index-lag': 'sdk-index-lag' },
  prepare: async (place) => ({
    searched: await fillIndex(place, 'docs', (await loadInput(place.input)).chunks),
  }),
})

/** Writes from a region that isn't the primary. */
export const forwards: Experiment = p50s({
  title: 'Writes from a replica region, beyond the round trip',
  sides: { forward: 'sdk-forward', 'forward/redis': 'redis-forward' },
  warmInFlight: WARM_IN_FLIGHT,
})

/** An experiment in the replica region whose rows are p50s of sides as they are. */
function p50s(plan: {
  readonly title: string
  /** By row. */
  readonly sides: Readonly<Record<string, string>>
  readonly prepare?: (place: Place) => Promise<Pick<Place, 'searched'>>
  /** Warms up with so many in flight. Default: as a turn. */
  readonly warmInFlight?: number
}): Experiment {
  const { title, sides, warmInFlight, prepare = async () => ({}) } = plan
  return {
    title,
    rows: Object.keys(sides),
    regions: 'far',
    async run(bench) {
      const place = regionsOf(bench).place(REPLICA)
      const turn = { count: bench.settings.lagWrites }
      const prepared = { ...place, ...(await prepare(place)) }
      const forMs = bench.settings.warmMs
      const warm = warmInFlight === undefined ? turn : { inFlight: warmInFlight, forMs }
      const samples = await playSides(Object.values(sides), { bench, place: prepared, turn, warm })
      const rows = Object.entries(sides).map(([row, side]) =>
        rowOf(row, samples[side]?.map((one) => figure(one, 'p50Ms')) ?? []),
      )
      return { rows, samples, plot: PLOT }
    },
  }
}
