import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Outcome } from '../experiments/experiment.ts'
import { goalOf } from '../measure/goals.ts'
import { rowsAsJson } from '../measure/row.ts'
import type { Sample } from '../measure/sample.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { Ran } from '../run.ts'
import { cellsOf, HEADS, shown } from '../table.ts'

/** What a report says besides its figures. */
export interface ReportFacts {
  readonly title: string
  /** Names and values: the machine, the input, the time. */
  readonly facts: readonly (readonly [name: string, value: string])[]
}

/** What readers of the figures must know. */
const NOTES = [
  'Every side plays in a process of its own, beside the sidecar’s and those of Redis: all of them share the cores named above.',
  'Sides take turns, round by round, every other round in the opposite order. A ratio is of two turns of one round; the figure is the median of the rounds. “noise” is half the distance between the quartiles.',
  'Every answer is checked: a Get gives the 1 KiB that was set, a search as many hits as asked for, nearest first. One failed call fails its rows.',
] as const

/** Writes `index.html`, which needs nothing else, `report.md` and `rows.json`; gives the page's path. */
export async function writeReport(folder: string, facts: ReportFacts, ran: readonly Ran[]): Promise<string> {
  await mkdir(folder, { recursive: true })
  const page = join(folder, 'index.html')
  await writeFile(page, await pageOf(facts, ran))
  await writeFile(join(folder, 'report.md'), markdownOf(facts, ran))
  await writeFile(join(folder, 'rows.json'), rowsAsJson(ran.flatMap(({ rows }) => rows)))
  return page
}

async function pageOf({ title, facts }: ReportFacts, ran: readonly Ran[]): Promise<string> {
  const uplot = dirname(fileURLToPath(import.meta.resolve('uplot')))
  const [library, libraryStyle, style, script] = await Promise.all([
    readFile(join(uplot, 'uPlot.iife.min.js'), 'utf8'),
    readFile(join(uplot, 'uPlot.min.css'), 'utf8'),
    readFile(new URL('page.css', import.meta.url), 'utf8'),
    readFile(new URL('plots.js', import.meta.url), 'utf8'),
  ])
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(title)}</title><style>${libraryStyle}${style}</style></head><body>`,
    `<h1>${escaped(title)}</h1>`,
    `<dl>${facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('')}</dl>`,
    `<ul>${NOTES.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>`,
    rowsTable(ran),
    '<section><h2>How far from the goals</h2><div id="goals"></div></section>',
    ...ran.map(
      ({ title: name }, i) =>
        `<section><h2>${escaped(name)}</h2>${sidesTable(ran[i])}<div id="plot-${i}"></div></section>`,
    ),
    `<script>${library}</script>`,
    `<script>const report = ${inScript(plotData(ran))}\n${script}</script>`,
    '</body></html>',
  ].join('\n')
}

/** What the plots show. */
function plotData(ran: readonly Ran[]) {
  const goals = ran.flatMap(({ rows }) =>
    rows.flatMap(({ name, value }) => {
      const { is, limit } = goalOf(name)
      if (is === undefined || limit === undefined || !(value > 0)) return []
      return [{ name, score: is === 'at least' ? value / limit : limit / value }]
    }),
  )
  const plots = ran.map(({ outcome }) => {
    if (!outcome) return undefined
    const { figure, unit } = outcome.plot
    const sides = Object.entries(outcome.samples).flatMap(([name, samples]) => {
      const values = samples.map((sample) => sample[figure] ?? null)
      return values.some((value) => value !== null) ? [{ name, values }] : []
    })
    const { label, values } = outcome.plot.sizes ?? { label: 'round', values: undefined }
    return { label: `${figure}, ${unit}`, sides, x: { label, values } }
  })
  return { goals, plots }
}

function rowsTable(ran: readonly Ran[]): string {
  const head = HEADS.map((name) => `<th>${name}</th>`).join('')
  const body = ran.flatMap(({ rows }) =>
    rows.map((row) => {
      const cells = cellsOf(row)
      const met = cells[HEADS.indexOf('met')]
      const name = met === 'yes' ? 'met' : met === 'NO' || row.error !== undefined ? 'missed' : ''
      return `<tr class="${name}">${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`
    }),
  )
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`
}

/** Medians of every figure of every side. */
function sideRows({ outcome }: Ran): readonly (readonly string[])[] {
  const sizes = outcome?.plot.sizes
  return Object.entries(outcome?.samples ?? {}).flatMap(([side, samples]) => {
    if (sizes) return sizeRows(side, samples, sizes)
    const figures = [...new Set(samples.flatMap((sample) => Object.keys(sample)))]
    return figures.map((figure) => {
      const { median, min, max } = spreadOf(samples.map((sample) => sample[figure] ?? Number.NaN))
      return [side, figure, shown(median), shown(min), shown(max)]
    })
  })
}

/** By size, instead of medians over rounds. */
function sizeRows(
  side: string,
  samples: readonly Sample[],
  { label, values }: NonNullable<Outcome['plot']['sizes']>,
): readonly (readonly string[])[] {
  return samples.flatMap((sample, i) =>
    Object.entries(sample).map(([figure, value]) => [
      side,
      `${figure}, ${label} ${values[i]?.toLocaleString('en')}`,
      ...[shown(value), '', ''],
    ]),
  )
}

const SIDE_HEADS = ['side', 'figure', 'median', 'lowest', 'highest'] as const

function sidesTable(ran: Ran | undefined): string {
  if (!ran?.outcome) return `<p>failed: ${escaped(ran?.error ?? '')}</p>`
  const head = SIDE_HEADS.map((name) => `<th>${name}</th>`).join('')
  const body = sideRows(ran).map(
    (cells) => `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`,
  )
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`
}

function markdownOf({ title, facts }: ReportFacts, ran: readonly Ran[]): string {
  const table = (heads: readonly string[], rows: readonly (readonly string[])[]) => [
    `| ${heads.join(' | ')} |`,
    `| ${heads.map(() => '---').join(' | ')} |`,
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ]
  return [
    `# ${title}`,
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    '',
    ...NOTES.map((note) => `- ${note}`),
    '',
    ...table(
      HEADS,
      ran.flatMap(({ rows }) => rows.map(cellsOf)),
    ),
    ...ran.flatMap((one) => [`## ${one.title}`, '', ...table(SIDE_HEADS, sideRows(one))]),
  ].join('\n')
}

function escaped(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}

/** JSON that can't end the script that it stands in. */
function inScript(value: unknown): string {
  return JSON.stringify(value).replace(/</g, '\\u003c')
}
