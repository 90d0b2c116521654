import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { interleave } from '../measure/interleave.ts'
import { rowOf } from '../measure/row.ts'
import { figure } from '../measure/sample.ts'
import { type Experiment, regionsOf } from './experiment.ts'
import { seedValues } from './seed.ts'

const run = promisify(execFile)
const MAIN = fileURLToPath(new URL('../start/main.ts', import.meta.url))
const SIDES = { start: 'sdk', 'start/ioredis': 'ioredis' } as const

/** From nothing to a first answer, each time in a process of its own; Node's own start doesn't count. */
export const starts: Experiment = {
  title: 'Import, connect, first answer',
  rows: Object.keys(SIDES),
  regions: 'alone',
  async run(bench) {
    const place = regionsOf(bench).place()
    await seedValues(place)
    const sides = Object.values(SIDES).map((name) => ({
      name,
      async turn() {
        const { stdout } = await run(process.execPath, [MAIN, name, JSON.stringify(place)], {
          timeout: 20_000,
        })
        return { ms: Number(stdout) }
      },
    }))
    // Once before, so that all files are read from memory.
    for (const side of sides) await side.turn()
    const samples = await interleave(sides, bench.settings.rounds, (side, round) =>
      bench.progress(`round ${round + 1}: ${side}`),
    )
    const rows = Object.entries(SIDES).map(([row, side]) =>
      rowOf(row, samples[side]?.map((one) => figure(one, 'ms')) ?? []),
    )
    return { rows, samples, plot: { figure: 'ms', unit: 'ms' } }
  },
}
