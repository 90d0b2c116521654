// Throws random and damaged inputs at real sidecars and at the SDK: npm run fuzz -- --help

import { parseArgs } from 'node:util'
import { FUZZERS, type FuzzerName, fuzz, toldResult } from './run.ts'

const HELP = `npm run fuzz -- [options]
  --minutes M   how long each fuzzer runs (2)
  --seed S      the same seed draws the same cases (drawn)
  --only A,B    these fuzzers: ${FUZZERS.join(', ')} (all)
  --case N      this one case of the one fuzzer
Ends with 0 when nothing crashed, hung, answered INTERNAL or UNKNOWN, or leaked more than 50 MiB; else with 1, and says how to
run each failing case again.
`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    case: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) process.stdout.write(HELP)
else process.exitCode = await run()

async function run(): Promise<number> {
  const names = namesFrom(values.only)
  const seed = numberFrom('seed', values.seed)
  const lastsMs = numberFrom('minutes', values.minutes) * 60_000
  const only = values.case === undefined ? undefined : numberFrom('case', values.case)
  if (only !== undefined && names.length !== 1) throw new Error('--case is of one fuzzer: name it by --only')
  let found = 0
  for (const name of names) {
    process.stderr.write(`${name}, seed ${seed}\n`)
    const result = await fuzz({ name, seed, lastsMs, only })
    found += result.findings.length
    process.stdout.write(`${toldResult(name, result)}\n`)
  }
  return found === 0 ? 0 : 1
}

function namesFrom(text: string | undefined): readonly FuzzerName[] {
  if (text === undefined) return FUZZERS
  return text.split(',').map((name) => {
    const known = FUZZERS.find((fuzzer) => fuzzer === name)
    if (known === undefined) throw new Error(`--only names ${name}; there are ${FUZZERS.join(', ')}`)
    return known
  })
}

function numberFrom(name: string, text: string): number {
  const number = Number(text)
  if (text !== '' && number >= 0 && Number.isFinite(number)) return number
  throw new Error(`--${name} is a number, not ${text}`)
}
