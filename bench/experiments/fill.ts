import { setTimeout as pause } from 'node:timers/promises'
import { Perigee, type VectorIndex } from '@perigee/sdk'
import { Redis } from 'ioredis'
import { Driver } from '../driver/driver.ts'
import { type InputChunk, loadInput } from '../input/input.ts'
import { interleave, type Side } from '../measure/interleave.ts'
import { chunkInput, dropIndex, fillIndex, makeIndex } from '../regions/indexes.ts'
import { type Comparison, type Experiment, regionsOf, rowsOf, wantedOf } from './experiment.ts'
import { fillRate } from './fill-rate.ts'

const REPLICA = 'eu-west-1'
const SEARCHES_IN_FLIGHT = 4
const [IDLE, FILLING, RAW] = ['search-idle', 'search-while-filling', 'raw-fill'] as const
const COMPARISONS: readonly Comparison[] = [
  { row: 'fill-p99', figure: 'p99Ms', ours: FILLING, theirs: IDLE },
  { row: 'fill-rate', figure: 'filledPerSecond', ours: FILLING, theirs: RAW },
]
/** Chunks are written this much faster than a searched index takes them, and no faster: writing takes time of the cores. */
const WRITE_AT_ONCE = 100
const WRITE_EVERY_MS = 50
/** How many times longer than other turns: the 99th percentile wants many calls. */
const IDLE_TURNS = 3
/** Longer than any filling takes: its end ends the searches. */
const SEARCH_FOR_MS = 100_000

/**
 * Searches of a replica's index while the follower fills another one in the same index Redis. The other one is dropped
 * after each round, so that every round searches the same graph.
 */
export const fillingWhileSearched: Experiment = {
  title: 'Search while other chunks are indexed',
  rows: COMPARISONS.map(({ row }) => row),
  regions: 'pair',
  async run(bench) {
    const { settings, progress } = bench
    const place = regionsOf(bench).place(REPLICA)
    const { chunks } = await loadInput(place.input)
    const more = moreOf(chunks, settings.moreChunks)
    progress('filling the index')
    const searched = await fillIndex(place, 'docs', chunks)
    const [dataRedis, indexRedis] = [new Redis(place.dataRedis), new Redis(place.indexRedis)]
    await using perigee = await Perigee.connect(place.primarySdk)
    await using search = await Driver.open('sdk-search', { ...place, searched })
    await using raw = await Driver.open('raw-fill', place)
    const searches = { inFlight: SEARCHES_IN_FLIGHT }
    const sides: Side[] = [
      {
        name: IDLE,
        turn: (round) => search.turn({ ...searches, forMs: IDLE_TURNS * settings.turnMs, round }),
      },
      {
        name: FILLING,
        async turn(round) {
          const { index, uid } = await makeIndex(perigee, `more-${round + 1}`, true)
          const searching = search.turn({ ...searches, forMs: SEARCH_FOR_MS, round })
          const filling = fillRate(indexRedis, uid, more.length)
          const filled = Promise.all([filling, write(index, more)])
          await Promise.race([filled, searching]).finally(() => search.stop())
          const [found, [{ perSecond }]] = await Promise.all([searching, filled])
          await dropIndex(index, uid, { dataRedis, indexRedis })
          return { ...found, filledPerSecond: perSecond ?? Number.NaN }
        },
      },
      {
        name: RAW,
        async turn(round) {
          const { perSecond } = await raw.turn({ count: more.length, round })
          return { filledPerSecond: perSecond ?? Number.NaN }
        },
      },
    ]
    try {
      await search.turn({ ...searches, forMs: settings.warmMs, round: -1 })
      const samples = await interleave(sides, settings.rounds, (side, round) =>
        progress(`round ${round + 1}: ${side}`),
      )
      return {
        rows: rowsOf(wantedOf(COMPARISONS, bench), samples),
        samples,
        plot: { figure: 'p99Ms', unit: 'ms' },
      }
    } finally {
      dataRedis.disconnect()
      indexRedis.disconnect()
    }
  },
}

/** So many chunks under other ids; real ones, over again where there aren't enough. */
function moreOf(chunks: readonly InputChunk[], count: number): readonly InputChunk[] {
  return Array.from({ length: count }, (_, i) => {
    const chunk = chunks[i % chunks.length] as InputChunk
    return { ...chunk, id: `more-${i}-${chunk.id}` }
  })
}

async function write(index: VectorIndex, chunks: readonly InputChunk[]): Promise<void> {
  for (let i = 0; i < chunks.length; i += WRITE_AT_ONCE) {
    const batch = chunks.slice(i, i + WRITE_AT_ONCE).map((chunk) => chunkInput(chunk, [REPLICA]))
    await Promise.all([index.upsert(batch), pause(WRITE_EVERY_MS)])
  }
}
