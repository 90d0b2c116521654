// Measures every fault that Perigee must stand: npm run faults -- --help

import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { rows } from './faults/all.ts'
import { type Measured, measure } from './measure.ts'
import type { Row } from './row.ts'
import { markdownTable, textTable, troubles } from './table.ts'

const QUICK = 50
const SLOW = 10

const HELP = `npm run faults -- [options]
  --only NAME,…       only these: ${rows.map(({ name }) => name).join(', ')}
  --without NAME,…    all but these; a name stands for all that begin with it too, such as clock or dns
  --repetitions N     of each (${QUICK} of the quick ones, ${SLOW} of the slow ones)
  --seed S            what is drawn by chance (1)
  --markdown FILE     writes the table there too
Ends with 0 when every row holds: in all repetitions each figure is within its limit, and no session was broken.
`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    without: { type: 'string' },
    repetitions: { type: 'string' },
    seed: { type: 'string', default: '1' },
    markdown: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(HELP)
else process.exitCode = await run()

async function run(): Promise<number> {
  const measured: Measured[] = []
  for (const row of chosen(values.only, values.without)) {
    const repetitions = Number(values.repetitions ?? (row.pace === 'quick' ? QUICK : SLOW))
    progress(`${row.name}: ${row.title}, ${repetitions} times`)
    const result = await measure(row, { repetitions, seed: Number(values.seed), onProgress: progress })
    measured.push(result)
    progress(`${row.name}: ${result.holds ? 'holds' : 'DOES NOT HOLD'}, ${result.seconds.toFixed(0)} s`)
    if (values.markdown !== undefined) await writeFile(values.markdown, `${markdownTable(measured)}\n`)
  }
  process.stdout.write(`${[textTable(measured), ...troubles(measured)].join('\n')}\n`)
  return measured.every(({ holds }) => holds) ? 0 : 1
}

/** Rows by name, or by the beginnings of names. */
function chosen(only: string | undefined, without: string | undefined) {
  const named = (list: string) => {
    const names = list.split(',')
    const belongs = (row: Row, name: string) => row.name === name || row.name.startsWith(`${name}-`)
    const unknown = names.find((name) => !rows.some((row) => belongs(row, name)))
    if (unknown !== undefined) throw new Error(`there is no fault ${unknown}; see --help`)
    return rows.filter((row) => names.some((name) => belongs(row, name)))
  }
  const left = without === undefined ? [] : named(without)
  return (only === undefined ? rows : named(only)).filter((row) => !left.includes(row))
}

function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}
