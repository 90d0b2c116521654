import { setTimeout as pause } from 'node:timers/promises'
import { Perigee } from '@perigee/sdk'
import { Redis } from 'ioredis'
import { Driver } from '../driver/driver.ts'
import { loadInput } from '../input/input.ts'
import { interleave, type Side } from '../measure/interleave.ts'
import { chunkInput, dropIndex, makeIndex } from '../regions/indexes.ts'
import { type Comparison, type Experiment, regionsOf, rowsOf } from './experiment.ts'
import { fillRate } from './fill-rate.ts'

const REPLICA = 'eu-west-1'
const COMPARISON: Comparison = { row: 'follow', figure: 'perSecond', ours: 'follower', theirs: 'raw-fill' }

/**
 * A replica's follower takes over what was written while its sidecar was stopped, so that it has all of it at hand, as raw
 * HSET has. Only the replica indexes these chunks: the primary's follower would take the other core.
 */
export const following: Experiment = {
  title: 'Filling an HNSW index that nobody searches',
  rows: [COMPARISON.row],
  regions: 'pair',
  async run(bench) {
    const { cluster } = regionsOf(bench)
    const place = regionsOf(bench).place(REPLICA)
    const { chunks } = await loadInput(place.input)
    const inputs = chunks.map((chunk) => chunkInput(chunk, [REPLICA]))
    const [dataRedis, indexRedis] = [new Redis(place.dataRedis), new Redis(place.indexRedis)]
    await using perigee = await Perigee.connect(place.primarySdk)
    await using raw = await Driver.open('raw-fill', place)
    const sides: Side[] = [
      {
        name: 'follower',
        async turn(round) {
          const { index, uid } = await makeIndex(perigee, `follow-${round + 1}`, true)
          await cluster.stopProcess(REPLICA, 'sidecar', 'SIGSTOP')
          try {
            await index.upsert(inputs)
            await pause(SETTLE_MS)
          } finally {
            await cluster.stopProcess(REPLICA, 'sidecar', 'SIGCONT')
          }
          const sample = await fillRate(indexRedis, uid, chunks.length)
          await dropIndex(index, uid, { dataRedis, indexRedis })
          return sample
        },
      },
      { name: 'raw-fill', turn: (round) => raw.turn({ round }) },
    ]
    try {
      const samples = await interleave(sides, bench.settings.rounds, (side, round) =>
        bench.progress(`round ${round + 1}: ${side}`),
      )
      return { rows: rowsOf([COMPARISON], samples), samples, plot: { figure: 'perSecond', unit: 'chunks/s' } }
    } finally {
      dataRedis.disconnect()
      indexRedis.disconnect()
    }
  },
}

/** For the replica's data Redis to have what the primary acknowledged. */
const SETTLE_MS = 300
