import { readFileSync } from 'node:fs'
import {
  type Distances,
  defaultBasePort,
  defaultRegions,
  LocalCluster,
  type LocalClusterOptions,
  parseDistances,
} from '@perigee/local-cluster'
import { Command, InvalidArgumentError, Option } from 'commander'
import { EXIT } from './exit-code.ts'
import { Failure } from './failure.ts'

interface DevOptions {
  readonly regions: string[]
  readonly sidecars: number
  readonly distances: string
  readonly port: number
  readonly dir?: string
  readonly state?: string
  readonly sentinel: boolean
  readonly tls?: boolean
}

const parentPollMs = 250

/** `perigee dev`: runs whole regions on this machine until it is told to end. */
export function devCommand(): Command {
  return new Command('dev')
    .description('Runs regions on this machine: real servers, with the real distances between them.')
    .addOption(
      new Option('--regions <a,b,c>', 'the regions; the first one takes writes at first')
        .argParser(parseRegions)
        .default([...defaultRegions], defaultRegions.join(',')),
    )
    .option('--sidecars <count>', 'sidecars per region', parseWhole, 1)
    .option('--distances <real|none|file>', 'one-way distances; a file holds {"a": {"b": ms}}', 'real')
    .option('--port <base>', 'first port of each region', parseWhole, defaultBasePort)
    .option('--dir <dir>', 'keep data and logs there, and use them again (default: a temporary folder)')
    .option('--state <file>', 'write addresses and process ids there (default: perigee.json beside the data)')
    .option('--no-sentinel', 'run no Sentinels: the first region stays the primary, come what may')
    .option(
      '--tls',
      'speak TLS everywhere, by certificates of a CA that is made for it, and demand them of callers',
    )
    .addHelpText(
      'after',
      `
Region n lives on 127.0.n.1. When all is ready, this prints a summary and the line "ready". It ends, with everything it
started, on Ctrl-C, on SIGTERM, and when the process that started it ends.`,
    )
    .action(dev)
}

async function dev(options: DevOptions): Promise<void> {
  const ended = untilEnd()
  const starting = startCluster(options)
  starting.catch(() => {})
  // An end while it starts needs no order: what was started dies with this process.
  const first = await Promise.race([starting, ended])
  if (first === 'end') process.exit(EXIT.OK)
  process.stdout.write(`${summary(first, options)}\nready\n`)
  await ended
  await first.stop()
}

async function startCluster(options: DevOptions): Promise<LocalCluster> {
  const clusterOptions: LocalClusterOptions = {
    regions: options.regions,
    sidecars: options.sidecars,
    distances: readDistances(options.distances),
    basePort: options.port,
    subnet: 0,
    sentinel: options.sentinel,
    tls: options.tls ?? false,
    onProgress: (message) => process.stderr.write(`${message}\n`),
    ...(options.dir === undefined ? {} : { dir: options.dir }),
    ...(options.state === undefined ? {} : { stateFile: options.state }),
  }
  try {
    return await LocalCluster.start(clusterOptions)
  } catch (error) {
    throw new Failure({
      message: error instanceof Error ? error.message : String(error),
      hint: 'nothing was left running; `perigee dev --help` lists the options',
      code: 'DEV_FAILED',
      exitCode: EXIT.UNEXPECTED,
      cause: error,
    })
  }
}

/**
 * Resolves on SIGINT, on SIGTERM, and when the parent process ends. The command's own handlers would end this process at
 * once; here both signals are the way to end in order. A second one doesn't wait.
 */
function untilEnd(): Promise<'end'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.removeAllListeners(signal)
      process.once(signal, () => {
        process.once(signal, () => process.exit(EXIT.OK))
        resolve('end')
      })
    }
    const parent = process.ppid
    setInterval(() => {
      if (process.ppid !== parent) resolve('end')
    }, parentPollMs).unref()
  })
}

function summary(cluster: LocalCluster, { distances }: DevOptions): string {
  const { regions, primary, control, tls } = cluster.state()
  const rows = [
    ['REGION', 'GRPC', 'HTTP', 'DATA REDIS', 'INDEX REDIS', 'SENTINEL', 'DNS'],
    ...regions.map((region) => [
      region.name === primary ? `${region.name} (primary)` : region.name,
      region.sidecars.map(({ grpc }) => grpc).join(' '),
      region.sidecars.map(({ http }) => http).join(' '),
      region.dataRedis,
      region.indexRedis,
      region.sentinel ?? '-',
      region.dns,
    ]),
  ]
  const far = cluster
    .links()
    .filter(
      ({ from, to }) => regions.findIndex((r) => r.name === from) < regions.findIndex((r) => r.name === to),
    )
    .map(({ from, to, delayMs }) => `${from} – ${to} ${delayMs} ms`)
  const there = regions[1] ?? regions[0]
  const grpcurl = tls ? `grpcurl -cacert ${tls.ca} -cert ${tls.cert} -key ${tls.key}` : 'grpcurl -plaintext'
  return [
    '',
    columns(rows),
    '',
    `distances   ${distances === 'none' || far.length === 0 ? 'none' : `one way: ${far.join(', ')}`}`,
    `state file  ${cluster.stateFile}`,
    `data, logs  ${cluster.dir}`,
    `passwords   ${cluster.credentialsFile}`,
    `control     ${control}/state (POST /links/<from>/<to>, /processes/<region>/<name>/start and /stop)`,
    '',
    `try         npx perigee status --state ${cluster.stateFile}`,
    `            ${grpcurl} ${there?.grpc} list`,
    `            ${grpcurl} ${there?.grpc} grpc.health.v1.Health/Check`,
    '',
  ].join('\n')
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function readDistances(value: string): Distances {
  if (value === 'real' || value === 'none') return value
  try {
    return parseDistances(readFileSync(value, 'utf8'))
  } catch (error) {
    const message = `--distances ${value}: ${error instanceof Error ? error.message : String(error)}`
    throw Failure.usage(message, 'give real, none, or a file such as {"us-east-1": {"eu-west-1": 35}}')
  }
}

function parseRegions(value: string): string[] {
  const regions = value
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)
  if (regions.length === 0) throw new InvalidArgumentError('Give at least one region.')
  return regions
}

function parseWhole(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}
