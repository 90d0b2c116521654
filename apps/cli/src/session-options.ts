import { type Command, Option } from 'commander'
import { parseDuration } from './duration.ts'

/** What commands that read or write in a session take. */
export interface SessionOptions {
  readonly namespace: string
  readonly session?: string
}

/** What commands that read in a session take. */
export interface ReadOptions extends SessionOptions {
  readonly maxStaleness?: number
}

/** Adds what commands that read or write in a session take. */
export function withSessionOptions(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'the namespace', 'default')
    .option('--session <token>', 'see at least what this session token has seen')
}

/** Adds what commands that read in a session take. */
export function withReadOptions(command: Command): Command {
  const maxStaleness = new Option(
    '--max-staleness <duration>',
    'ask the primary if the region is further behind it, such as 2s',
  ).argParser(parseDuration)
  return withSessionOptions(command).addOption(maxStaleness)
}
