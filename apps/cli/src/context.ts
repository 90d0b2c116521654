import type { TlsOptions } from '@perigee/sdk'
import { Command, Option } from 'commander'
import { parseDuration } from './duration.ts'
import { Failure } from './failure.ts'
import { Output, type OutputFormat, type Sink } from './output.ts'
import { findTarget, type Target, type TargetOptions } from './target.ts'

/** What the command gets from the process, or from a test. */
export interface Io {
  readonly out: Sink
  readonly err: Sink
  readonly input: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean | undefined }
  readonly env: NodeJS.ProcessEnv
  /** Fires when the user interrupts. */
  readonly signal: AbortSignal
}

/** What every command works with. */
export interface Context {
  readonly io: Io
  readonly output: Output
  /** For each call. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Finds the cluster; asked once. */
  target(): Promise<Target>
  /** The same, asking from within a region, whatever the command line says. */
  within(region: string): Context
}

/** Makes commander's action of a command's work, which gets its arguments and then its options. */
export type Act = (
  // biome-ignore lint/suspicious/noExplicitAny: commander does not know its arguments' types
  work: (context: Context, ...args: any[]) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

const GROUP = 'Options of every command:'

/** Adds the options that every command has: which cluster, how to write, how long to wait. */
export function withCommonOptions(command: Command): Command {
  const options = [
    new Option('-o, --output <format>', 'table for people, json for machines').choices(['table', 'json']),
    new Option('--address <host:port>', 'ask this one sidecar').env('PERIGEE_ADDRESS'),
    new Option('--state <file>', 'ask the cluster of this perigee dev').env('PERIGEE_STATE'),
    new Option('--domain <name>', 'find the sidecars by DNS: api.<region>.<domain>').env('PERIGEE_DOMAIN'),
    new Option('--regions <a,b,c>', 'the regions, with --domain').env('PERIGEE_REGIONS'),
    new Option('--region <name>', 'ask from within this region').env('PERIGEE_REGION'),
    new Option('--dns <ip:port>', 'the DNS server to ask, with --domain').env('PERIGEE_DNS'),
    new Option('--ca <file>', 'speak TLS: the CA to trust, a PEM file, or "system"').env('PERIGEE_CA'),
    new Option('--cert <file>', 'speak TLS: the certificate to show, a PEM file').env('PERIGEE_CERT'),
    new Option('--key <file>', 'its private key, a PEM file').env('PERIGEE_KEY'),
    new Option('--server-name <name>', "the name that sidecars' certificates must have").env(
      'PERIGEE_SERVER_NAME',
    ),
    new Option('--token <token>', 'who you are; better in the variable, since others see command lines').env(
      'PERIGEE_TOKEN',
    ),
    new Option('--timeout <duration>', 'longest wait for an answer (default: 5s)').env('PERIGEE_TIMEOUT'),
  ]
  for (const option of options) command.addOption(option.helpGroup(GROUP))
  return command
}

/** The context of a command that is about to run. */
export function contextOf(command: unknown, io: Io): Context {
  if (!(command instanceof Command)) throw new TypeError('commander passes the command last')
  const format = (commonOption(command, 'output')?.value ?? 'table') as OutputFormat
  const output = new Output({ out: io.out, err: io.err, format, env: io.env })
  const timeout = commonOption(command, 'timeout')?.value
  const timeoutMs = timeout === undefined ? 5000 : parseDuration(timeout)
  let target: Promise<Target> | undefined
  const find = () => {
    target ??= findTarget(targetOptions(command))
    return target
  }
  const context: Context = {
    io,
    output,
    timeoutMs,
    signal: io.signal,
    target: find,
    within: (region) => ({ ...context, target: () => findTarget({ ...targetOptions(command), region }) }),
  }
  return context
}

/** Which cluster: flags first, then the environment; an address before a state file before a domain. */
function targetOptions(command: Command): TargetOptions {
  const ways = (['address', 'state', 'domain'] as const).map((name) => ({
    name,
    ...commonOption(command, name),
  }))
  const flags = ways.filter((w) => w.source === 'cli')
  if (flags.length > 1) {
    const names = flags.map((w) => `--${w.name}`).join(' and ')
    throw Failure.usage(`${names} both say where the cluster is`, 'give only one of them')
  }
  const way = flags[0] ?? ways.find((w) => w.value)
  const region = commonOption(command, 'region')
  if (way?.name === 'address' && region?.source === 'cli') {
    throw Failure.usage('--region has no meaning with --address', 'an address names the one sidecar to ask')
  }
  const regions = commonOption(command, 'regions')?.value
  return {
    ...(way && { [way.name]: way.value }),
    region: region?.value || undefined,
    dns: commonOption(command, 'dns')?.value || undefined,
    regions: regions
      ?.split(',')
      .map((r) => r.trim())
      .filter(Boolean),
    tls: tlsOptions(command),
    token: commonOption(command, 'token')?.value || undefined,
  }
}

/** How to speak TLS, where any of its options says so. */
function tlsOptions(command: Command): TlsOptions | undefined {
  const [ca, cert, key, serverName] = ['ca', 'cert', 'key', 'serverName'].map(
    (name) => commonOption(command, name)?.value || undefined,
  )
  if (!ca && !cert && !key && !serverName) return undefined
  return { ca: ca === 'system' ? undefined : ca, cert, key, serverName }
}

/** A common option as given to the command or, before its name, to perigee; flags before the environment. */
function commonOption(command: Command, name: string): { value: string; source: string } | undefined {
  let found: { value: string; source: string } | undefined
  for (let at: Command | null = command; at; at = at.parent) {
    const value: unknown = at.getOptionValue(name)
    const source = at.getOptionValueSource(name)
    if (typeof value !== 'string' || source === undefined) continue
    if (source === 'cli') return { value, source }
    found ??= { value, source }
  }
  return found
}
