import { Driver } from '../driver/driver.ts'
import type { Turn } from '../driver/side.ts'
import { type Input, loadInput } from '../input/input.ts'
import { interleave, type Samples, type Side } from '../measure/interleave.ts'
import { medianSample, type Sample } from '../measure/sample.ts'
import { BenchRegions } from '../regions/bench-regions.ts'
import { fillIndex } from '../regions/indexes.ts'
import type { Place } from '../regions/place.ts'
import { type Bench, type Experiment, type Outcome, regionsOf } from './experiment.ts'
import { seedValues } from './seed.ts'

/** A side at one size. */
interface Cell {
  readonly side: string
  readonly size: number
  readonly place: Place
  readonly turn: Omit<Turn, 'round'>
}

const REGION_NAMES = ['us-east-1', 'eu-west-1', 'ap-southeast-1']
/** A quick look sees only that it works. */
const QUICK_SIZES = 2
/** Chunks of each of many indexes. */
const SMALL_INDEX = 500

/** How cost grows with calls in flight. */
const inFlight = scaled('Get of 1 KiB by calls in flight', 'calls in flight', [1, 4, 16, 64, 256, 1_024], {
  figure: 'perSecond',
  unit: 'calls/s',
  async cells(bench, sizes) {
    const place = regionsOf(bench).place()
    await seedValues(place)
    const forMs = bench.settings.turnMs
    const sides = ['sdk-get', 'ioredis-auto-get', 'unary-get']
    return sizes.flatMap((size) =>
      sides.map((side) => ({ side, size, place, turn: { inFlight: size, forMs } })),
    )
  },
})

/** How cost grows with the hits asked for. */
const hits = scaled('Search by k', 'k', [1, 10, 100], {
  figure: 'p50Ms',
  unit: 'ms',
  async cells(bench, sizes) {
    const place = await searchedPlace(bench, 'docs', (await inputOf(bench)).chunks.length)
    return searchCells(
      bench,
      sizes,
      () => place,
      (k) => ({ k }),
    )
  },
})

/** How cost grows with the chunks of an index. */
const chunks = scaled('Search by chunks in the index', 'chunks', [1_000, 3_000, 9_376], {
  figure: 'p50Ms',
  unit: 'ms',
  async cells(bench, sizes) {
    const { length } = (await inputOf(bench)).chunks
    const places = new Map<number, Place>()
    for (const size of sizes)
      places.set(size, await searchedPlace(bench, `docs-${size}`, Math.min(size, length)))
    return searchCells(
      bench,
      sizes,
      (size) => places.get(size) as Place,
      () => ({}),
    )
  },
})

/** What indexes that nobody searches cost the one that is. */
const indexes = scaled('Search by indexes in the region', 'indexes', [1, 4, 16], {
  figure: 'p50Ms',
  unit: 'ms',
  async samples(bench, size) {
    let place = await searchedPlace(bench, 'small-1', SMALL_INDEX)
    for (let n = 2; n <= size; n++) place = await searchedPlace(bench, `small-${n}`, SMALL_INDEX)
    return play(
      searchCells(
        bench,
        [size],
        () => place,
        () => ({}),
      ),
      bench,
    )
  },
})

/** What replicas on the same machine cost the primary. */
const regions = scaled('Set of 1 KiB at the primary by regions, all on this machine', 'regions', [1, 2, 3], {
  figure: 'perSecond',
  unit: 'calls/s',
  async samples(bench, size) {
    const { settings } = bench
    await using started = await BenchRegions.start(settings.input, { regions: REGION_NAMES.slice(0, size) })
    const place = started.place()
    await seedValues(place)
    const turn = { inFlight: 256, forMs: settings.turnMs }
    const sides = ['sdk-set', 'ioredis-auto-set', 'sdk-get']
    return await play(
      sides.map((side) => ({ side, size, place, turn })),
      bench,
    )
  },
})

/** How cost grows, measured at several sizes; asked for by `--only scale`. */
export const scaling: readonly Experiment[] = [
  inFlight,
  hits,
  chunks,
  indexes,
  { ...regions, regions: 'own' },
]

interface Plan extends Omit<Outcome['plot'], 'sizes'> {
  /** All cells, to be played in turns; */
  readonly cells?: (bench: Bench, sizes: readonly number[]) => Promise<readonly Cell[]>
  /** or one size after the other, where what one size needs would disturb another. */
  readonly samples?: (bench: Bench, size: number) => Promise<Samples>
}

function scaled(title: string, label: string, allSizes: readonly number[], plan: Plan): Experiment {
  const { figure, unit, cells, samples } = plan
  return {
    title,
    rows: [],
    regions: 'alone',
    async run(bench) {
      const sizes = bench.settings.quick ? allSizes.slice(0, QUICK_SIZES) : allSizes
      const found: Record<string, readonly Sample[]> = {}
      if (cells) Object.assign(found, await play(await cells(bench, sizes), bench))
      if (samples) for (const size of sizes) Object.assign(found, await samples(bench, size))
      return {
        rows: [],
        samples: bySide(found, sizes),
        plot: { figure, unit, sizes: { label, values: sizes } },
      }
    },
  }
}

/** Of each side the medians at every size, in their order. */
function bySide(samples: Samples, sizes: readonly number[]): Samples {
  const sides = [...new Set(Object.keys(samples).map((name) => name.replace(/ \S+$/, '')))]
  const entries = sides.map((side) => [
    side,
    sizes.map((size) => medianSample(samples[`${side} ${size}`] ?? [])),
  ])
  return Object.fromEntries(entries)
}

/** Samples of each cell, by side and size. */
async function play(cells: readonly Cell[], { settings, progress }: Bench): Promise<Samples> {
  await using drivers = new AsyncDisposableStack()
  const sides: Side[] = []
  for (const { side, size, place, turn } of cells) {
    const driver = drivers.use(await Driver.open(side, place))
    progress(`${side} ${size} warms up`)
    await driver.turn({ ...turn, forMs: settings.warmMs, round: -1 })
    sides.push({ name: `${side} ${size}`, turn: (round) => driver.turn({ ...turn, round }) })
  }
  return await interleave(sides, settings.rounds, (side, round) => progress(`round ${round + 1}: ${side}`))
}

function searchCells(
  { settings }: Bench,
  sizes: readonly number[],
  placeOf: (size: number) => Place,
  more: (size: number) => Partial<Turn>,
): readonly Cell[] {
  const turn = { inFlight: 1, forMs: settings.turnMs }
  return sizes.flatMap((size) =>
    ['sdk-search', 'ioredis-search'].map((side) => ({
      side,
      size,
      place: placeOf(size),
      turn: { ...turn, ...more(size) },
    })),
  )
}

/** With an index of so many chunks, whose recall is counted against just these. */
async function searchedPlace(bench: Bench, name: string, count: number): Promise<Place> {
  const place = regionsOf(bench).place()
  const input = { ...place.input, chunks: count }
  bench.progress(`filling ${name}`)
  const searched = await fillIndex(place, name, (await loadInput(input)).chunks)
  return { ...place, input, searched }
}

function inputOf(bench: Bench): Promise<Input> {
  return loadInput(bench.settings.input)
}
