import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../apps/cli/bin/perigee.js', import.meta.url))

/** How a command ended. */
export interface Ended {
  /** A negative number is a signal that ended it. */
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output as it was written. */
  readonly bytes: Buffer
}

/** Runs the perigee command as a process of its own, without a terminal, and waits for its end. */
export async function perigee(
  args: readonly string[],
  options: { readonly input?: string | Uint8Array; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const child = startPerigee(args, options.env)
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [bytes, stderr, [code]] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { exitCode: code ?? -1, stdout: bytes.toString(), stderr: stderr.toString(), bytes }
}

/** Starts the perigee command, with an environment that names no cluster but what `env` names. */
export function startPerigee(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): ChildProcessByStdio<Writable, Readable, Readable> {
  const { PATH, HOME } = process.env
  return spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH, HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}
