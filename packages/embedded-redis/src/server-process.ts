import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { spawnGuarded } from './process-guard.ts'

/** How a server is called. */
export interface ServerLaunch {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface ServerProcessOptions extends ServerLaunch {
  /** What error messages call it, such as `data Redis of eu-west-1`. */
  readonly title: string
  readonly command: string
  readonly cwd: string
  /** Its standard output and error are appended here. */
  readonly logFile: string
  /** Resolves when the server can be used; asked again and again until it does, or the time is up. */
  readonly probe: (pid: number, signal: AbortSignal) => Promise<boolean>
  /** How long it may take until it can be used. Default 30,000. */
  readonly readyTimeoutMs?: number
  /** How long it may take to end after SIGTERM before it is killed. Default 5,000. */
  readonly stopTimeoutMs?: number
  /** Sends SIGTERM again each time so many milliseconds have passed. Default: never. */
  readonly stopAgainMs?: number
}

export interface ServerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** True when nobody asked for it through this object. */
  readonly unexpected: boolean
}

interface ServerProcessEvents {
  start: [pid: number]
  exit: [exit: ServerExit]
}

const logTailLines = 20
const probeEveryMs = 10

/**
 * A server that runs as a child process and dies with this one (see process-guard.ts). It can be started again after it
 * ended; it never restarts by itself. Emits `start` and `exit`.
 */
export class ServerProcess extends EventEmitter<ServerProcessEvents> {
  readonly #options: ServerProcessOptions
  #launch: ServerLaunch
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #asked = false

  constructor(options: ServerProcessOptions) {
    super()
    this.#options = options
    this.#launch = options
  }

  /** The process id, or undefined while it doesn't run. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  get logFile(): string {
    return this.#options.logFile
  }

  /** Starts it and waits until it can be used. Does nothing more when it runs already. */
  async start(): Promise<void> {
    if (this.#child === undefined) this.#spawn()
    await this.#ready()
  }

  /** Ends it: SIGTERM, and SIGKILL when it takes too long. Also ends one that was stopped by SIGSTOP. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#asked = true
    child.kill('SIGTERM')
    child.kill('SIGCONT')
    const { stopTimeoutMs = 5_000, stopAgainMs } = this.#options
    const killing = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    const again =
      stopAgainMs === undefined ? undefined : setInterval(() => child.kill('SIGTERM'), stopAgainMs)
    await this.#ended
    clearTimeout(killing)
    clearInterval(again)
  }

  /** Sends a signal. With SIGKILL, resolves when the process is gone; with any other, at once. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#asked = true
    child.kill(signal)
    if (signal === 'SIGKILL') await this.#ended
  }

  /** Ends it and starts it again. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** The last lines of its log. */
  logTail(): string {
    try {
      return readFileSync(this.#options.logFile, 'utf8').trimEnd().split('\n').slice(-logTailLines).join('\n')
    } catch {
      return ''
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Sets the arguments and environment of the starts to come. */
  protected relaunchWith(launch: ServerLaunch): void {
    this.#launch = launch
  }

  #spawn(): void {
    const { command, cwd, logFile } = this.#options
    const { args, env } = this.#launch
    mkdirSync(cwd, { recursive: true })
    mkdirSync(dirname(logFile), { recursive: true })
    const log = openSync(logFile, 'a')
    const child = spawnGuarded(command, args, {
      cwd,
      ...(env === undefined ? {} : { env }),
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#child = child
    this.#asked = false
    this.#ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        if (this.#child !== child) return
        this.#child = undefined
        this.emit('exit', { code, signal, unexpected: !this.#asked })
        resolve()
      }
      child.once('error', () => end(null, null))
      child.once('exit', end)
    })
    if (child.pid !== undefined) this.emit('start', child.pid)
  }

  async #ready(): Promise<void> {
    const { title, probe, readyTimeoutMs = 30_000 } = this.#options
    const child = this.#child
    const deadline = AbortSignal.timeout(readyTimeoutMs)
    while (child?.pid !== undefined && this.#child === child) {
      if (await probe(child.pid, deadline).catch(() => false)) return
      if (deadline.aborted) throw new Error(this.#failure(`${title} wasn't ready after ${readyTimeoutMs} ms`))
      await new Promise((resolve) => setTimeout(resolve, probeEveryMs))
    }
    const how = child?.signalCode ?? `code ${child?.exitCode ?? 'unknown'}`
    throw new Error(this.#failure(`${title} ended while it started (${how})`))
  }

  #failure(what: string): string {
    return `${what}. The end of ${this.#options.logFile}:\n${this.logTail() || '(it is empty)'}`
  }
}
