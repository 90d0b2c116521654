// Disturbs real regions again and again while sessions use them, and judges what they saw: npm run chaos -- --help

import { parseArgs } from 'node:util'
import { shortly, writeReport } from './chaos-report.ts'
import { holds, runChaos } from './chaos-run.ts'
import { disturbances } from './faults/all.ts'

const HELP = `npm run chaos -- [options]
  --minutes M      how long (10)
  --seed S         the same seed gives the same sequence of faults (drawn)
  --report FOLDER  where report and picture go (chaos-report)
  --sessions-off   without sessions: shows that the verdict can be bad
Ends with 0 when no session was broken, no REPLICATED write that was acknowledged is lost, and 99.9 % of the reads were
answered within their deadline of a second.
`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    report: { type: 'string', default: 'chaos-report' },
    'sessions-off': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(HELP)
else process.exitCode = await run()

async function run(): Promise<number> {
  const settings = { minutes: numberFrom('minutes', values.minutes), seed: numberFrom('seed', values.seed) }
  progress(`${settings.minutes} minutes, seed ${settings.seed}`)
  const result = await runChaos({
    ...{ lastsMs: settings.minutes * 60_000, seed: settings.seed, disturbances, onProgress: progress },
    sessionsOn: !values['sessions-off'],
  })
  const report = await writeReport(values.report, settings, result)
  for (const text of result.broken) progress(`the run went wrong: ${text}`)
  process.stdout.write(`${shortly(result)}\n${holds(result) ? 'All holds' : 'It does not hold'}: ${report}\n`)
  return holds(result) ? 0 : 1
}

function numberFrom(name: string, text: string): number {
  const number = Number(text)
  if (text !== '' && number > 0 && Number.isFinite(number)) return number
  throw new Error(`--${name} is a number above 0, not ${text}`)
}

function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}
