import { expect, it } from 'vitest'
import { violationsInWords } from '../checker/report.ts'
import { rows } from './faults/all.ts'
import { measure } from './measure.ts'

const SEED = Number(process.env.PERIGEE_TEST_SEED ?? Date.now() % 1_000_000)
/** Those that need what nothing else here does: moved clocks, limited files. Their figures are for a machine at rest. */
const ROWS = ['clock-lease', 'disk-full']

it.each(ROWS)(
  `the row %s can be measured, and no session is broken (seed ${SEED})`,
  { timeout: 200_000 },
  async (name) => {
    const row = rows.find((one) => one.name === name)
    if (!row) throw new Error(`there is no row ${name}`)
    const { broken, violations, summaries } = await measure(row, {
      repetitions: 1,
      seed: SEED,
      onProgress: () => undefined,
    })
    expect(broken).toEqual([])
    expect(violationsInWords(violations)).toEqual([])
    for (const { figure, count } of summaries) expect(count, figure.name).toBe(1)
  },
)
