// Kills the primary's Redis again and again under writes, and looks for all that was acknowledged as REPLICATED:
// npm run acceptance:replicated -- --help

import { parseArgs } from 'node:util'
import { type Fate, writeUnderKills } from '../writes/kills.ts'

const HELP = `npm run acceptance:replicated -- [options]
  --writes N  REPLICATED writes that must be acknowledged (10000)
  --kills K   how often the primary's Redis is killed meanwhile: in turn until a replica takes over, and so that it comes
              back at once without the last second of its AOF (10)
Ends with 0 when none of them is lost and no position was issued twice.
`

const { values } = parseArgs({
  options: {
    writes: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  process.stdout.write(HELP)
} else {
  const say = (text: string) => process.stdout.write(`${text}\n`)
  const { kills, replicated, primary, issuedTwice } = await writeUnderKills({
    writes: numberFrom('writes', values.writes),
    kills: numberFrom('kills', values.kills),
    onProgress: say,
  })
  say(`REPLICATED: ${inWords(replicated)}`)
  say(`PRIMARY, beside them: ${inWords(primary)}`)
  say(`${kills.length} kills, ${issuedTwice.length} positions issued twice`)
  for (const key of replicated.lost.slice(0, 20)) say(`lost: ${key}`)
  process.exitCode = replicated.lost.length + issuedTwice.length > 0 ? 1 : 0
}

function inWords({ acknowledged, lost, failed }: Fate): string {
  const failures = [...failed].map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none'
  return `${acknowledged} acknowledged, ${lost.length} lost; not acknowledged: ${failures}`
}

function numberFrom(name: string, given: string): number {
  const number = Number(given)
  if (Number.isInteger(number) && number > 0) return number
  throw new Error(`--${name} is a whole number above zero, not ${given}`)
}
