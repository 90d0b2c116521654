import { goalOf, goalText } from './goals.ts'
import { median } from './statistics.ts'

/** One figure with what it is made of. */
export interface Row {
  readonly name: string
  /** By rounds, in order; the value is their median unless the row says otherwise. Empty for one that failed. */
  readonly rounds: readonly number[]
  /** NaN for one that failed. */
  readonly value: number
  /** Why there is no value. */
  readonly error?: string
}

/** A row of its rounds; `value` where it isn't their median. */
export function rowOf(name: string, rounds: readonly number[], value = median(rounds)): Row {
  const all = [...rounds, value]
  if (!all.every(Number.isFinite)) return failedRow(name, `not a number among ${all.join(', ')}`)
  return { name, rounds, value }
}

/** A row that couldn't be measured. */
export function failedRow(name: string, error: unknown): Row {
  const text = error instanceof Error ? error.message : String(error)
  return { name, rounds: [], value: Number.NaN, error: text }
}

/** The form of `--json`: `value` is null, and `error` says why, for a row that failed. */
export function rowsAsJson(rows: readonly Row[]): string {
  const plain = rows.map(({ name, value, rounds, error }) => {
    const goal = goalOf(name)
    return {
      name,
      goal: goalText(goal),
      value: error === undefined ? rounded(value) : null,
      unit: goal.unit,
      rounds: rounds.map(rounded),
      ...(error !== undefined && { error }),
    }
  })
  return `[\n${plain.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`
}

function rounded(value: number): number {
  return Number(value.toPrecision(5))
}
