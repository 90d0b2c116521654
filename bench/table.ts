import Table from 'cli-table3'
import { goalOf, goalText, isMet } from './measure/goals.ts'
import type { Row } from './measure/row.ts'
import { spreadOf } from './measure/statistics.ts'

const NO_LINES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', mid: '', 'mid-mid': '', 'left-mid': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', 'right-mid': '' },
  ...{ left: '', right: '', middle: '  ' },
}
export const HEADS = ['row', 'goal', 'is', 'unit', 'met', 'lowest', 'highest', 'noise', 'work'] as const

/** A row's cells, in words. */
export function cellsOf(row: Row): readonly string[] {
  const goal = goalOf(row.name)
  const { name, value, rounds, error } = row
  if (error !== undefined)
    return [name, goalText(goal), 'failed', goal.unit, '–', '', '', '', firstLine(error)]
  const met = isMet(goal, value)
  const { min, max, noise } = spreadOf(rounds)
  return [
    ...[name, goalText(goal), shown(value), goal.unit, met === undefined ? '' : met ? 'yes' : 'NO'],
    ...[shown(min), shown(max), `± ${Math.round(noise * 100)} %`, goal.work],
  ]
}

/** All rows as a table without lines. */
export function tableOf(rows: readonly Row[]): string {
  const table = new Table({
    head: [...HEADS],
    colAligns: ['left', 'left', 'right', 'left', 'left', 'right', 'right', 'right', 'left'],
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push([...cellsOf(row)])
  const lines = table.toString().split('\n')
  return lines.map((line) => line.trimEnd()).join('\n')
}

/** Three digits that count. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}
