import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { violationsInWords } from '../checker/report.ts'
import { ANSWERED_MIN, type ChaosResult, holds } from './chaos-run.ts'
import { pictureOf } from './picture.ts'
import type { Band, Timeline } from './timeline.ts'

const REPORT = 'report.md'
const PICTURE = 'timeline.svg'

/** The command that gave the result. */
export interface ChaosSettings {
  readonly minutes: number
  readonly seed: number
}

/** Writes report and picture into a folder; gives the report's path. */
export async function writeReport(
  folder: string,
  settings: ChaosSettings,
  result: ChaosResult,
): Promise<string> {
  await mkdir(folder, { recursive: true })
  const title = `${minutesOf(result)} minutes, ${result.timeline.bands.length} faults, three regions at real distances`
  const caption = { title, summary: shortly(result) }
  await writeFile(join(folder, PICTURE), pictureOf(result.timeline, result.lastedMs, caption))
  const report = join(folder, REPORT)
  await writeFile(report, reportOf(settings, result))
  return report
}

/** The verdict in a line. */
export function shortly({ tally, violations, replicatedLost }: ChaosResult): string {
  return [
    `${percent(tally.answeredShare)} of ${count(tally.reads)} reads answered within 1 s`,
    `${violations.length} session violations`,
    `${replicatedLost} of ${count(tally.replicated)} writes lost that replicas had confirmed`,
  ].join(' · ')
}

function reportOf({ minutes, seed }: ChaosSettings, result: ChaosResult): string {
  const { tally, violations, replicatedLost, broken, timeline, folder } = result
  const row = (what: string, is: string, limit: string, good: boolean) =>
    `| ${what} | ${is} | ${limit} | ${good ? 'yes' : '**NO**'} |`
  const reasons = [...tally.reasons].sort(([, a], [, b]) => b - a)
  return `${[
    `# Chaos: ${minutesOf(result)} minutes with seed ${seed}: ${holds(result) ? 'all holds' : '**does not hold**'}`,
    '',
    `\`npm run chaos -- --minutes ${minutes} --seed ${seed}\``,
    '',
    `![Reads by region over time, faults marked](${PICTURE})`,
    '',
    '| what | is | limit | holds |',
    '| --- | --- | --- | --- |',
    row('session violations', String(violations.length), '0', violations.length === 0),
    row(
      'acknowledged REPLICATED writes lost',
      `${replicatedLost} of ${count(tally.replicated)}`,
      '0',
      replicatedLost === 0,
    ),
    row(
      'reads answered within their deadline of 1 s',
      `${percent(tally.answeredShare)} of ${count(tally.reads)}`,
      `${ANSWERED_MIN * 100} %`,
      tally.answeredShare >= ANSWERED_MIN,
    ),
    row('faults begun and healed', String(timeline.bands.length), 'some', timeline.bands.length > 0),
    row('the run itself went wrong', String(broken.length), '0', broken.length === 0),
    '',
    `Writes: ${count(tally.acknowledgedWrites)} of ${count(tally.writes)} acknowledged within 1 s. Sessions were told ${tally.told} times that something they had seen is lost, which counts as an answer.`,
    '',
    '## Not answered',
    '',
    ...(reasons.length === 0
      ? ['Nothing.']
      : [
          '| call | times |',
          '| --- | --- |',
          ...reasons.map(([reason, times]) => `| ${reason} | ${times} |`),
        ]),
    '',
    '## Faults',
    '',
    '| from | for | fault | reads failed | writes failed | slowest p99 of reads |',
    '| --- | --- | --- | --- | --- | --- |',
    ...timeline.bands.map((band) => bandRow(band, timeline)),
    ...(broken.length === 0
      ? []
      : ['', '## What went wrong with the run', '', ...broken.map((text) => `- ${text}`)]),
    ...(violations.length === 0
      ? []
      : ['', '## Violations', '', '```', ...violationsInWords(violations), '```']),
    ...(folder === undefined ? [] : ['', `Histories and logs are kept in ${folder}.`]),
  ].join('\n')}\n`
}

function bandRow({ label, fromMs, toMs }: Band, timeline: Timeline): string {
  const slices = timeline.regions
    .flatMap((region) => timeline.of(region))
    .filter((slice) => slice.fromMs + timeline.sliceMs > fromMs && slice.fromMs < toMs)
  const sum = (of: 'failedReads' | 'failedWrites') => slices.reduce((total, slice) => total + slice[of], 0)
  const slowestMs = Math.max(0, ...slices.map(({ p99Ms = 0 }) => p99Ms))
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  return `| ${seconds(fromMs)} | ${seconds(toMs - fromMs)} | ${label} | ${sum('failedReads')} | ${sum('failedWrites')} | ${Math.round(slowestMs)} ms |`
}

function minutesOf({ lastedMs }: ChaosResult): string {
  return (lastedMs / 60_000).toFixed(lastedMs < 600_000 ? 1 : 0).replace('.0', '')
}

/** Never rounded up to what it isn't. */
function percent(share: number): string {
  return `${(Math.floor(share * 1e5) / 1e3).toFixed(3)} %`
}

function count(number: number): string {
  return number.toLocaleString('en')
}
