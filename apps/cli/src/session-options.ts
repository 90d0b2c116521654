import type { Command } from 'commander'

/** What commands that read or write in a session take. */
export interface SessionOptions {
  readonly namespace: string
  readonly session?: string
}

/** Adds what commands that read or write in a session take. */
export function withSessionOptions(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'the namespace', 'default')
    .option('--session <token>', 'see at least what this session token has seen')
}
