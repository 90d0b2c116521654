import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RedisInstallation } from './installation.ts'
import { removeTemporaryFolder, temporaryFolder } from './process-guard.ts'
import { type RedisAddress, type RedisUser, type Reply, redisCall, redisCommand } from './resp.ts'
import { ServerProcess } from './server-process.ts'

/** A line of redis.conf, such as `['maxmemory', '100mb']`. Arguments are quoted where they need it. */
export type ConfigLine = readonly [directive: string, ...args: (string | number)[]]

export interface RedisOptions {
  readonly installation: RedisInstallation
  /** Default `127.0.0.1`. */
  readonly host?: string
  readonly port: number
  /** Where its data, configuration and log go. Default: a temporary folder, removed when it stops. */
  readonly dir?: string
  /** Name of its files: `<name>.conf`, `<name>.log`. Default `redis`. */
  readonly name?: string
  /** What error messages call it. Default: name and address. */
  readonly title?: string
  /** Loads the search module. Default false. */
  readonly search?: boolean
  /** Settings of the search module by the names that FT.CONFIG has for them, such as `{ ON_TIMEOUT: 'fail' }`. */
  readonly searchSettings?: Readonly<Record<string, string>>
  /** Runs it as a Sentinel. Default false. */
  readonly sentinel?: boolean
  /** Lines of its configuration file besides bind, port, dir and the module. */
  readonly config?: readonly ConfigLine[]
  /** Whom {@link RedisProcess.command} and the wait for readiness log in as. Default: nobody, the user `default`. */
  readonly user?: RedisUser
  /** Files beside its configuration, by name, such as an ACL file; only this user of the machine can read them. */
  readonly files?: Readonly<Record<string, string>>
  /** A command that runs the one after it, such as `['nice']`, and becomes it. Default: none. */
  readonly wrapper?: readonly string[]
  /** Environment variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** How long it may take until it answers, loading its data included. Default 30,000. */
  readonly readyTimeoutMs?: number
}

function quoted(value: string | number): string {
  const text = String(value)
  if (/^[\w./:@%&~*+|-]+$/.test(text)) return text
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`
}

/** Writes a file anew that only this user of the machine can read: there may be passwords in it. */
function writeOwn(path: string, text: string): void {
  rmSync(path, { force: true })
  writeFileSync(path, text, { mode: 0o600 })
}

/** The text of a redis.conf. */
export function configText(lines: readonly ConfigLine[]): string {
  return `${lines.map(([directive, ...args]) => [directive, ...args.map(quoted)].join(' ')).join('\n')}\n`
}

/** Whether the server at the address is that process (not another that has taken its port) and has loaded its data. */
async function answers(address: RedisAddress, pid: number, signal: AbortSignal): Promise<boolean> {
  const info = await redisCall(address, ['INFO', 'server'], { signal })
  if (!String(info).includes(`process_id:${pid}\r\n`)) return false
  return (await redisCommand(address, ['PING'], { signal })) === 'PONG'
}

/** A redis-server or Sentinel that runs as a child process and dies with this one. */
export class RedisProcess extends ServerProcess {
  readonly host: string
  readonly port: number
  readonly dir: string
  readonly #options: RedisOptions
  readonly #installation: RedisInstallation
  readonly #configFile: string
  readonly #temporary: boolean
  #configured = false

  /** Makes one that is started later; {@link startRedis} makes one that runs. */
  constructor(options: RedisOptions) {
    const { host = '127.0.0.1', port, name = 'redis', installation, user, wrapper = [], env } = options
    const dir = options.dir ?? temporaryFolder()
    const configFile = join(dir, `${name}.conf`)
    const ownArgs = options.sentinel === true ? [configFile, '--sentinel'] : [configFile]
    const [command = installation.serverPath, ...args] = [...wrapper, installation.serverPath, ...ownArgs]
    super({
      title: options.title ?? `${name} at ${host}:${port}`,
      command,
      args,
      ...(env && { env: { ...process.env, ...env } }),
      cwd: dir,
      logFile: join(dir, `${name}.log`),
      probe: (pid, signal) => answers({ host, port, ...(user && { user }) }, pid, signal),
      // Redis refuses to end while it writes its first AOF, such as after a full resync, and forgets that it was asked.
      stopAgainMs: 100,
      ...(options.readyTimeoutMs === undefined ? {} : { readyTimeoutMs: options.readyTimeoutMs }),
    })
    this.host = host
    this.port = port
    this.dir = dir
    this.#options = options
    this.#installation = installation
    this.#configFile = configFile
    this.#temporary = options.dir === undefined
  }

  get address(): RedisAddress {
    const { user } = this.#options
    return { host: this.host, port: this.port, ...(user && { user }) }
  }

  /** With user and password, if it has a user to log in as. */
  get url(): string {
    const { user } = this.#options
    const login = user === undefined ? '' : `${user.name}:${encodeURIComponent(user.password)}@`
    return `redis://${login}${this.host}:${this.port}`
  }

  /** Sends one command over a connection of its own; an error reply rejects. */
  command(...args: string[]): Promise<Exclude<Reply, Error>> {
    return redisCall(this.address, args)
  }

  /**
   * Starts it and waits until it answers. Its configuration and files are written the first time only: Redis and Sentinel
   * rewrite them, and a restart goes on from what they wrote.
   */
  override async start(): Promise<void> {
    if (!this.#configured) {
      mkdirSync(this.dir, { recursive: true, mode: 0o700 })
      const { files = {} } = this.#options
      for (const [name, text] of Object.entries(files)) writeOwn(join(this.dir, name), text)
      writeOwn(this.#configFile, configText(this.#lines()))
      this.#configured = true
    }
    await super.start()
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    if (this.#temporary) await removeTemporaryFolder(this.dir)
  }

  #lines(): ConfigLine[] {
    const { search = false, searchSettings = {}, config = [] } = this.#options
    const { searchModulePath } = this.#installation
    const lines: ConfigLine[] = [
      ['bind', this.host],
      ['port', this.port],
      ['dir', this.dir],
      ['daemonize', 'no'],
    ]
    if (search && searchModulePath !== undefined) {
      lines.push(['loadmodule', searchModulePath, ...Object.entries(searchSettings).flat()])
    } else if (search) {
      // Built in, since Redis 8, its settings are among the server's own.
      const ownName = (name: string) => `search-${name.toLowerCase().replaceAll('_', '-')}`
      for (const [name, value] of Object.entries(searchSettings)) lines.push([ownName(name), value])
    }
    return [...lines, ...config]
  }
}
