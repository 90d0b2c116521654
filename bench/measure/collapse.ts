import { goalOf } from './goals.ts'
import type { Row } from './row.ts'

/** Ratios by row, as a quiet machine once gave them. */
export type Recorded = Readonly<Record<string, number>>

/** How many times worse a ratio may be than the recorded one before it has collapsed. */
const COLLAPSED = 2

/** Rows that have collapsed. Only ratios are judged, and only those recorded: anything else depends on the machine. */
export function collapsedRows(rows: readonly Row[], recorded: Recorded): Row[] {
  return rows.filter(({ name, value, error }) => {
    const was = recorded[name]
    const goal = goalOf(name)
    if (was === undefined || goal.unit !== 'ratio' || error !== undefined) return false
    const worse = goal.is === 'at most' ? value / was : was / value
    return worse > COLLAPSED
  })
}

/** In a quick run too few calls and chunks for a figure to be relied on. */
const TOO_SHORT = ['fill-p99', 'fill-rate']

/** What to record: the ratios with a goal, but those that a quick run can't tell. What isn't measured now stays as it was. */
export function recordedFrom(rows: readonly Row[], before: Recorded): Recorded {
  const ratios = rows.filter(({ name, error }) => {
    const { unit, is } = goalOf(name)
    return unit === 'ratio' && is !== undefined && error === undefined && !TOO_SHORT.includes(name)
  })
  const now = Object.fromEntries(ratios.map(({ name, value }) => [name, Number(value.toPrecision(3))]))
  return { ...before, ...now }
}
