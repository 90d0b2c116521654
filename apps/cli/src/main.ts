import { EXIT } from './exit-code.ts'
import { runPerigee } from './run.ts'

const interrupted = new AbortController()

process.on('SIGINT', () => {
  if (interrupted.signal.aborted) process.exit(EXIT.INTERRUPTED)
  interrupted.abort()
})
process.on('SIGTERM', () => process.exit(143))

// Whoever reads us has read enough, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.OK)
  throw error
})
process.stderr.on('error', () => {})

const exitCode = await runPerigee(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  input: process.stdin,
  env: process.env,
  signal: interrupted.signal,
})
// A connection that is still closing would keep the process waiting.
process.stdout.write('', () => process.exit(exitCode))
