// The guard keeps a promise that no handler in this process could: when the process ends, however it ends (SIGKILL
// included), every process it started dies and its temporary folders go.
//
// It is one small shell, in a session of its own so that Ctrl-C in the terminal doesn't reach it, which reads a pipe
// from this process. The pipe closes when this process dies; then the guard kills what it was told of. A child announces
// itself on the same pipe before it becomes its program, and keeps the pipe open until it has: so there is no moment in
// which a child runs that the guard will not hear of. If the guard itself dies, another takes its place at once.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'

const folderPrefix = 'perigee-'

/** Reads `verb argument` lines until the pipe closes, then kills and removes. */
const guardScript = `
pids=' '
folders=''
while read -r verb argument; do
  case "$verb" in
    pid) case "$pids" in *" $argument "*) ;; *) pids="$pids$argument " ;; esac ;;
    gone) pids=" $(for pid in $pids; do [ "$pid" = "$argument" ] || printf '%s ' "$pid"; done)" ;;
    folder) folders="$folders
$argument" ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
for attempt in 1 2 3 4 5; do
  left=''
  IFS='
'
  for folder in $folders; do
    case "$folder" in */${folderPrefix}*) rm -rf "$folder" 2>/dev/null; [ -e "$folder" ] && left=yes ;; esac
  done
  [ -z "$left" ] && exit 0
  sleep 0.1
done
`

/** Says who it is on the guard's pipe, closes it, and becomes the program. */
const announceScript = 'echo "pid $$" >&3; exec "$@" 3>&-'

const living = new Set<number>()
const folders = new Set<string>()
let guard: ChildProcess | undefined

function pipeOf(process: ChildProcess): Writable & { unref?: () => void } {
  if (process.stdin === null) throw new Error('the process guard has no pipe')
  return process.stdin
}

function startGuard(): ChildProcess {
  const started = spawn('/bin/sh', ['-c', guardScript, 'perigee-guard'], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  })
  started.on('error', () => {})
  started.on('exit', () => {
    if (guard !== started) return
    guard = living.size > 0 || folders.size > 0 ? startGuard() : undefined
  })
  const pipe = pipeOf(started)
  pipe.on('error', () => {})
  started.unref()
  pipe.unref?.()
  for (const pid of living) pipe.write(`pid ${pid}\n`)
  for (const folder of folders) pipe.write(`folder ${folder}\n`)
  return started
}

function tell(line: string): void {
  guard ??= startGuard()
  pipeOf(guard).write(`${line}\n`)
}

/**
 * Starts a program that dies when this process does, whatever ends it. It runs in a session of its own: a Ctrl-C in the
 * terminal reaches only this process, which then ends its children in order.
 *
 * `stdio` may describe the first three descriptors; the default ignores them.
 */
export function spawnGuarded(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'> & {
    stdio?: ['ignore' | 'pipe', 'ignore' | 'pipe' | number, 'ignore' | 'pipe' | number]
  },
): ChildProcess {
  guard ??= startGuard()
  const child = spawn('/bin/sh', ['-c', announceScript, 'perigee', command, ...args], {
    ...options,
    detached: true,
    stdio: [...(options.stdio ?? ['ignore', 'ignore', 'ignore']), pipeOf(guard)],
  })
  const { pid } = child
  if (pid !== undefined) {
    living.add(pid)
    child.once('exit', () => {
      living.delete(pid)
      tell(`gone ${pid}`)
    })
  }
  return child
}

/** Makes a temporary folder that is removed when this process ends, or by {@link removeTemporaryFolder}. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), folderPrefix))
  folders.add(folder)
  tell(`folder ${folder}`)
  return folder
}

/** Removes a folder that {@link temporaryFolder} made, with all that is in it. */
export async function removeTemporaryFolder(folder: string): Promise<void> {
  if (!folders.delete(folder)) throw new Error(`${folder} isn't a temporary folder of this process`)
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

/** The guard's process id, for tests of the guard itself. */
export async function guardPid(): Promise<number> {
  guard ??= startGuard()
  if (guard.pid === undefined) await once(guard, 'spawn')
  return guard.pid ?? 0
}
