import { Driver } from '../driver/driver.ts'
import type { Turn } from '../driver/side.ts'
import { interleave, type Samples, type Side } from '../measure/interleave.ts'
import type { Row } from '../measure/row.ts'
import { rowOf } from '../measure/row.ts'
import { figure, type Sample } from '../measure/sample.ts'
import type { BenchRegions } from '../regions/bench-regions.ts'
import { withCpuTime } from '../regions/cpu-time.ts'
import type { Place } from '../regions/place.ts'
import type { Settings } from '../settings.ts'

/** What an experiment works with. */
export interface Bench {
  readonly settings: Settings
  /** Whether a row is asked for, by the name before its slash. */
  wants(name: string): boolean
  /** Those that the experiment's `regions` names, up; undefined for `own`. */
  readonly regions: BenchRegions | undefined
  /** Hears what goes on. */
  progress(text: string): void
}

/** The regions of an experiment that doesn't start its own. */
export function regionsOf({ regions }: Bench): BenchRegions {
  if (!regions) throw new Error('this experiment has no regions')
  return regions
}

/** What an experiment found. */
export interface Outcome {
  readonly rows: readonly Row[]
  /** What each side gave in each round; at each size, in the median of the rounds, where the plot has sizes. */
  readonly samples: Samples
  /** The figure of a sample that a plot shows. */
  readonly plot: {
    readonly figure: string
    readonly unit: string
    readonly sizes?: { readonly label: string; readonly values: readonly number[] }
  }
}

/** Sides side by side, and the rows that come of them. */
export interface Experiment {
  readonly title: string
  /** Rows that it gives, by the names before their slashes. */
  readonly rows: readonly string[]
  /** `alone`: one region; `pair`: two without a distance; `far`: two at their real distance; `own`: it starts its own. */
  readonly regions: 'alone' | 'pair' | 'far' | 'own'
  run(bench: Bench): Promise<Outcome>
}

/** A row that compares a figure of two sides: `ours` by `theirs`, round by round. */
export interface Comparison {
  readonly row: string
  readonly figure: string
  readonly ours: string
  readonly theirs: string
  /** `ratio`, or how much `ours` is `above` the other. */
  readonly by?: 'ratio' | 'above'
}

/** Which of the comparisons' rows are asked for. */
export function wantedOf(comparisons: readonly Comparison[], bench: Bench): readonly Comparison[] {
  return comparisons.filter(({ row }) => bench.wants(row))
}

/** The sides that comparisons need, in the order of their first use. */
export function sidesOf(comparisons: readonly Comparison[]): readonly string[] {
  return [...new Set(comparisons.flatMap(({ ours, theirs }) => [ours, theirs]))]
}

/** Rows of what the sides gave. Ratios are of turns of the same round, which stood next to each other in time. */
export function rowsOf(comparisons: readonly Comparison[], samples: Samples): Row[] {
  return comparisons.map(({ row, figure: name, ours, theirs, by = 'ratio' }) => {
    const of = (sample: Sample | undefined) => figure(sample, name)
    const rounds = (samples[ours] ?? []).map((sample, round) => {
      const [own, other] = [of(sample), of(samples[theirs]?.[round])]
      return by === 'ratio' ? own / other : own - other
    })
    return rowOf(row, rounds)
  })
}

/** Opens a process for each side, warms it up, and lets them take turns. */
export async function playSides(
  names: readonly string[],
  {
    bench,
    place,
    turn,
    warm = { ...turn, ...(turn.forMs !== undefined && { forMs: bench.settings.warmMs }) },
  }: {
    bench: Bench
    place: Place
    turn: Omit<Turn, 'round'>
    /** The turn before the first round. Default: one like the others, as long as the settings say. */
    warm?: Omit<Turn, 'round'>
  },
): Promise<Samples> {
  const { settings } = bench
  await using drivers = new AsyncDisposableStack()
  const opened = await Promise.allSettled(names.map((name) => Driver.open(name, place)))
  for (const one of opened) if (one.status === 'fulfilled') drivers.use(one.value)
  const sides: Side[] = []
  for (const one of opened) {
    if (one.status === 'rejected') throw one.reason
    const driver = one.value
    bench.progress(`${driver.side} warms up`)
    await driver.turn({ ...warm, round: -1 })
    const watched = { client: driver.pid, ...regionsOf(bench).pids(place.region) }
    const play = (round: number) => withCpuTime(watched, () => driver.turn({ ...turn, round }))
    sides.push({ name: driver.side, turn: play })
  }
  // Awaited here: the processes end with this function.
  return await interleave(sides, settings.rounds, (side, round) =>
    bench.progress(`round ${round + 1}: ${side}`),
  )
}
