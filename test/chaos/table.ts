import { violationsInWords } from '../checker/report.ts'
import { inUnit, type Summary } from './figure.ts'
import type { Measured } from './measure.ts'

const HEADS = ['fault', 'figure', 'n', 'median', 'maximum', 'limit', 'holds'] as const

/** One line a figure, for a terminal. */
export function textTable(all: readonly Measured[]): string {
  const lines = [[...HEADS], ...all.flatMap(linesOf)]
  const widths = HEADS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function markdownTable(all: readonly Measured[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(HEADS), line(HEADS.map(() => '---')), ...all.flatMap(linesOf).map(line)].join('\n')
}

/** What went wrong, in full. */
export function troubles(all: readonly Measured[]): string[] {
  return all.flatMap(({ row, broken, violations, folder }) => {
    const words = [
      ...broken.map((text) => `  a repetition broke: ${text}`),
      ...violationsInWords(violations),
      ...(folder === undefined ? [] : [`  history and logs are kept in ${folder}`]),
    ]
    return words.length === 0 ? [] : [`${row.name}:`, ...words]
  })
}

function linesOf(measured: Measured): string[][] {
  const { row, repetitions, summaries, broken, violations } = measured
  const verdicts: string[][] = [
    [
      'session violations',
      String(repetitions),
      '',
      String(violations.length),
      '0',
      yes(violations.length === 0),
    ],
  ]
  if (broken.length > 0)
    verdicts.push(['broken repetitions', String(repetitions), '', String(broken.length), '0', yes(false)])
  return [...summaries.map(lineOf), ...verdicts].map((cells, i) => [i === 0 ? row.title : '', ...cells])
}

function lineOf({ figure, count, median, maximum, holds }: Summary): string[] {
  const limit = figure.max === undefined ? '' : inUnit(figure, figure.max)
  return [figure.name, String(count), inUnit(figure, median), inUnit(figure, maximum), limit, yes(holds)]
}

function yes(holds: boolean): string {
  return holds ? 'yes' : 'NO'
}
