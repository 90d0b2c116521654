import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BrokenPromise } from './broken-promise.ts'
import { runDemo } from './demo.ts'
import { Report } from './terminal/report.ts'

const usage = `npm run demo [-- --keep]

Starts three regions on this machine, fills them with the documentation of the installed packages,
measures reads, searches and replication between them, and ends.

  --keep   stay up afterwards and answer questions typed in
  --help   this text
`

const report = new Report()
const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The second one doesn't wait for anything: what was started ends with this process all the same.
    if (interruption.signal.aborted) process.exit(130)
    interruption.abort(new Error(`interrupted by ${signal}`))
  })
}

process.exitCode = await run()

async function run(): Promise<number> {
  let keep: boolean
  try {
    const { values } = parseArgs({ options: { keep: { type: 'boolean' }, help: { type: 'boolean' } } })
    if (values.help) {
      process.stdout.write(usage)
      return 0
    }
    keep = values.keep ?? false
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  try {
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    await runDemo({ report, signal: interruption.signal, root, keep })
    return 0
  } catch (error) {
    return failed(error)
  }
}

function failed(error: unknown): number {
  report.line()
  if (interruption.signal.aborted) {
    report.line('Interrupted. Nothing is left running.')
    return 130
  }
  const message = error instanceof Error ? error.message : String(error)
  report.failure(error instanceof BrokenPromise ? message : `The demo can't go on: ${message}`)
  if (!(error instanceof BrokenPromise)) process.stderr.write(`\n${framesOf(error)}\n`)
  return 1
}

/** Where an unexpected error comes from; its message has been said. */
function framesOf(error: unknown): string {
  const lines = error instanceof Error ? (error.stack ?? '').split('\n') : []
  return lines.filter((line) => /^\s+at /.test(line)).join('\n')
}
