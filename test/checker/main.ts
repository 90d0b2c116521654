// Drives random histories against real regions and judges them: npm run check:sessions -- --help

import { parseArgs } from 'node:util'
import { readHistory } from './history-file.ts'
import { judge } from './judge.ts'
import { type FaultName, faultNames } from './nemesis.ts'
import { FAILURES_MAX, failureShare, reportOf, violationsInWords } from './report.ts'
import { type RunOptions, runAndJudge } from './run.ts'

const HELP = `npm run check:sessions -- [options]
  --ops N           calls to make (20000)
  --seed S          the same seed gives the same calls, delays and faults (drawn)
  --sessions N      sessions (64)
  --sessions-off    without sessions: violations are then expected
  --faults NAME     ${faultNames.join(', ')} (none)
  --replicated X    part of the writes that wait for replicas, 0 to 1 (0)
  --keep            keeps the history although nothing is wrong with it
  --judge FILE      judges a history that was kept, and runs nothing
Ends with 0 when there are no violations and at most ${FAILURES_MAX * 100} % of the calls failed; with --sessions-off
when there are violations.
`

const { values } = parseArgs({
  options: {
    ops: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    sessions: { type: 'string', default: '64' },
    'sessions-off': { type: 'boolean', default: false },
    faults: { type: 'string', default: 'none' },
    replicated: { type: 'string', default: '0' },
    keep: { type: 'boolean', default: false },
    judge: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(HELP)
else if (values.judge !== undefined) process.exitCode = await judgeAgain(values.judge)
else process.exitCode = await run()

async function judgeAgain(file: string): Promise<number> {
  const { violations } = judge(await readHistory(file))
  process.stdout.write(
    `${[...violationsInWords(violations), `${violations.length} violations`].join('\n')}\n`,
  )
  return violations.length > 0 ? 1 : 0
}

async function run(): Promise<number> {
  const options: RunOptions = {
    ops: numberFrom('ops', values.ops),
    seed: numberFrom('seed', values.seed),
    sessions: numberFrom('sessions', values.sessions),
    sessionsOn: !values['sessions-off'],
    faults: faultFrom(values.faults),
    replicated: numberFrom('replicated', values.replicated),
    ...(values.keep && { keep: true }),
    onProgress: (text) => process.stderr.write(`${text}\n`),
  }
  const result = await runAndJudge(options)
  process.stdout.write(`${reportOf(options, result)}\n`)
  const violated = result.verdict.violations.length > 0
  if (!options.sessionsOn) return violated ? 0 : 1
  return violated || (options.faults === 'none' && failureShare(result) > FAILURES_MAX) ? 1 : 0
}

function numberFrom(name: string, text: string): number {
  const number = Number(text)
  if (text !== '' && number >= 0 && Number.isFinite(number)) return number
  throw new Error(`--${name} is a number, not ${text}`)
}

function faultFrom(name: string): FaultName {
  const known = faultNames.find((one) => one === name)
  if (known) return known
  throw new Error(`there are no faults ${name}; there are ${faultNames.join(', ')}`)
}
