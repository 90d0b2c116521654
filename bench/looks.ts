import { collapsedRows, type Recorded } from './measure/collapse.ts'
import { baseName } from './measure/goals.ts'
import { failureOf, type Ran, run } from './run.ts'
import type { Settings } from './settings.ts'

/** How often a row may be looked at before it counts as failed or collapsed. */
const LOOKS = 3

/**
 * Measures again what failed or collapsed at the first look. Short turns on a shared machine are sometimes hit by what else
 * goes on there; what has really collapsed does so at every look. The last look counts, for better or worse.
 */
export async function looksAgain(
  ran: readonly Ran[],
  how: {
    readonly settings: Settings
    readonly recorded: Recorded
    readonly progress: (text: string) => void
    readonly measure?: typeof run
  },
): Promise<readonly Ran[]> {
  const { settings, recorded, progress, measure = run } = how
  let now = ran
  for (let look = 2; look <= LOOKS; look++) {
    const only = now.flatMap((one) => doubtedOf(one, recorded))
    if (only.length === 0) break
    progress(`look ${look} at ${only.join(', ')}`)
    now = renewed(now, await measure({ ...settings, only }, progress))
  }
  return now
}

/** Names, before the slash, of rows that failed or collapsed. */
function doubtedOf(one: Ran, recorded: Recorded): string[] {
  const rows = failureOf(one) === undefined ? collapsedRows(one.rows, recorded) : one.rows
  return [...new Set(rows.map(({ name }) => baseName(name)))]
}

/** The experiments with the newer rows in the places of the older ones. */
function renewed(ran: readonly Ran[], newer: readonly Ran[]): readonly Ran[] {
  return ran.map((one) => {
    const again = newer.find(({ title }) => title === one.title)
    if (!again) return one
    if (failureOf(one) !== undefined || again.error !== undefined) return again
    return { ...one, rows: one.rows.map((row) => again.rows.find(({ name }) => name === row.name) ?? row) }
  })
}
