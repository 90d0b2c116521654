// Measures Perigee beside what a user would pick instead, all in one run: npm run bench -- --help

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { findRedis } from '@perigee/embedded-redis'
import { loadInput } from './input/input.ts'
import { looksAgain } from './looks.ts'
import { collapsedRows, type Recorded, recordedFrom } from './measure/collapse.ts'
import { rowsAsJson } from './measure/row.ts'
import { machine } from './page/machine.ts'
import { type ReportFacts, writeReport } from './page/report.ts'
import { failureOf, run } from './run.ts'
import { HELP, type Settings, settingsFrom } from './settings.ts'
import { tableOf } from './table.ts'

const RECORDED = fileURLToPath(new URL('recorded.json', import.meta.url))

async function main(): Promise<number> {
  const settings = settingsOrWords(process.argv.slice(2))
  if (typeof settings === 'string') {
    process.stderr.write(`error: ${settings}\n`)
    return 2
  }
  if (!settings) {
    say(HELP)
    return 0
  }
  const progress = (text: string) => process.stderr.write(`${text}\n`)
  const recorded = JSON.parse(await readFile(RECORDED, 'utf8')) as Recorded
  const judged = settings.quick && !settings.record
  const first = await run(settings, progress)
  const ran = judged ? await looksAgain(first, { settings, recorded, progress }) : first
  const rows = ran.flatMap((one) => one.rows)
  say(`\n${tableOf(rows)}\n`)
  const page = await writeReport(settings.report, await factsOf(settings), ran)
  say(`report: ${page}`)
  if (settings.json !== undefined) await writeFile(settings.json, rowsAsJson(rows))
  if (settings.record) await writeFile(RECORDED, `${JSON.stringify(recordedFrom(rows, recorded), null, 2)}\n`)
  const failed = ran.filter((one) => failureOf(one) !== undefined)
  for (const one of failed) say(`failed: ${one.title}: ${failureOf(one)}`)
  const collapsed = judged ? collapsedRows(rows, recorded) : []
  for (const { name, value } of collapsed)
    say(`collapsed: ${name} is ${value.toPrecision(3)}; recorded: ${recorded[name]}`)
  return failed.length + collapsed.length > 0 ? 1 : 0
}

/** The settings, or what is wrong with the command line. */
function settingsOrWords(args: readonly string[]): Settings | string | undefined {
  try {
    return settingsFrom(args)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function factsOf({ input, rounds, turnMs, quick }: Settings): Promise<ReportFacts> {
  const { version } = await findRedis()
  const { name } = await loadInput(input)
  return {
    title: `Perigee beside what else there is${quick ? ': a quick look' : ''}`,
    facts: [
      ...machine(version),
      ['input', `${name} of 384 dimensions`],
      ['rounds', `${rounds}, turns of ${turnMs / 1_000} s`],
      ['ended', new Date().toISOString()],
    ],
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

process.exitCode = await main()
