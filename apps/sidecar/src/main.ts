import './heap.ts'
import './tls/least-version.ts'
import { ConfigError, readConfig } from './config.ts'
import { logOfLibrary } from './grpc/library-log.ts'
import { createLog } from './log.ts'
import { printedConfig } from './printed-config.ts'
import { Sidecar } from './sidecar.ts'
import { TlsFileError } from './tls/tls-files.ts'

const EXIT_FAILED = 1
const EXIT_CONFIG = 2

try {
  const args = process.argv.slice(2)
  const config = readConfig(args, process.env)
  if (args.includes('--print-config')) {
    process.stdout.write(`${printedConfig(config)}\n`)
  } else {
    await run(config)
  }
} catch (error) {
  const misconfigured = error instanceof ConfigError || error instanceof TlsFileError
  process.stderr.write(`${misconfigured ? error.message : (error as Error).stack}\n`)
  // What was started by then would keep the process alive.
  process.exit(misconfigured ? EXIT_CONFIG : EXIT_FAILED)
}

async function run(config: ReturnType<typeof readConfig>): Promise<void> {
  const log = createLog(config)
  logOfLibrary(log)
  const sidecar = new Sidecar(config, log)
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return
      stopping = true
      log.info({ signal }, 'draining')
      sidecar.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.fatal({ err: error }, 'could not stop in order')
          process.exit(EXIT_FAILED)
        },
      )
    })
  }
  await sidecar.start()
}
