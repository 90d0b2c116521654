/*
 * One connection to a Redis whose replies are looked at where the connection put them. ioredis, which most else here goes
 * through, makes a Buffer of what it receives and of every piece of it, and the garbage collector then has more to do than
 * everybody else: this is for the few commands that make up most of the load.
 *
 * Invariant: replies are shown to whoever waits for them, in order, and to nobody else; then their memory is used again.
 */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Logger } from 'pino'
import { RedisFailure } from './connection.ts'
import { type RedisWay, tlsOptions } from './connector.ts'
import { encodedCommand, lineEnd, replyEnd } from './reply.ts'
import { whenRead } from './silence-watch.ts'

export interface ReplyConnectionOptions extends RedisWay {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://`. */
  readonly url: string
  /** The connection's name in `CLIENT LIST` and in logs. */
  readonly name: string
  /** How long replies may stay away before the connection is taken for dead, milliseconds. */
  readonly timeoutMs: number
  readonly log: Logger
}

/** What is asked of a Redis before it is ready. */
export interface Condition {
  readonly command: readonly string[]
  /** Throws what is wrong with the reply. */
  check(reply: string): void
}

/** Who waits for a reply. */
export interface Awaited {
  /**
   * Reads the reply that begins at `from`, which is no error. Its memory is used again as soon as this returns.
   *
   * @returns where it ends; -1 when not all of it is there yet. @throws Error for what is no such reply.
   */
  read(memory: Buffer, from: number, to: number): number
  fail(error: RedisFailure): void
}

const READ_BYTES = 256 * 1024
/** A larger memory, which a large reply needs, is given back after it. */
const KEPT_BYTES = 4 * 1024 * 1024
/** So many that were answered are forgotten together. */
const ANSWERED_MAX = 256
const RETRY_MS_MAX = 500
const KEEPALIVE_MS = 5000

const MINUS = 0x2d

export class ReplyConnection {
  readonly #options: ReplyConnectionOptions
  readonly #condition: Condition | undefined
  readonly #log: Logger
  #socket: Socket | undefined
  #ready = false
  #stopped = true
  #attempt = 0
  #timer: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined
  /** Those before `next` are `undefined`: what they hold on to would grow old, and be costly to collect. */
  #waiting: (Awaited | undefined)[] = []
  /** The first of those that wait. */
  #next = 0
  #heardMs = 0
  /** What was received and isn't read yet is from `from` to `to`. */
  #memory = Buffer.allocUnsafeSlow(READ_BYTES)
  #from = 0
  #to = 0

  /** @param condition what must hold each time before commands are taken. */
  constructor(options: ReplyConnectionOptions, condition?: Condition) {
    this.#options = options
    this.#condition = condition
    this.#log = options.log.child({ redis: options.name })
  }

  /** Whether a command would be sent now. */
  get ready(): boolean {
    return this.#ready
  }

  /** Starts to connect, and goes on for ever; returns at once. */
  start(): void {
    this.#stopped = false
    this.#connect()
    this.#watch = whenRead((byMs) => this.#look(byMs), this.#options.timeoutMs / 4)
  }

  /** Closes it for good. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#watch)
    this.#socket?.destroy()
  }

  /**
   * Sends encoded commands, and has each one's reply read by who waits for it. Nothing is sent while it isn't ready.
   *
   * @param onLeft called when the commands' memory isn't needed any more.
   */
  send(commands: string | Buffer, waiting: readonly Awaited[], onLeft?: () => void): void {
    if (this.#ready) this.#send(commands, waiting, onLeft)
    else {
      for (const one of waiting) one.fail(new RedisFailure('down', 'the connection is down'))
      onLeft?.()
    }
  }

  #send(commands: string | Buffer, waiting: readonly Awaited[], onLeft?: () => void): void {
    this.#gather()
    for (const one of waiting) this.#waiting.push(one)
    this.#socket?.write(commands, onLeft)
  }

  /** What is sent at one moment leaves in one write: each takes longer than what Redis does for a small command. */
  #gather(): void {
    const socket = this.#socket
    if (!socket || socket.writableCorked > 0) return
    // One that wasn't waited for has heard nothing for good reason.
    const wasIdle = this.#next === this.#waiting.length
    socket.cork()
    process.nextTick(() => {
      if (wasIdle) this.#heardMs = performance.now()
      socket.uncork()
    })
  }

  #connect(): void {
    const { url, localAddress, tls } = this.#options
    const { protocol, hostname, port } = new URL(url)
    const host = hostname.replace(/^\[(.*)\]$/, '$1')
    const options = {
      host,
      port: Number(port || 6379),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
      ...(localAddress !== undefined && { localAddress }),
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (length: number, bytes: Uint8Array) => {
          this.#receive(bytes as Buffer, length)
          return true
        },
      },
    }
    const secure = protocol === 'rediss:'
    const socket = secure ? connectTls({ ...options, ...tlsOptions(host, tls) }) : connect(options)
    this.#socket = socket
    this.#heardMs = performance.now()
    socket.on(secure ? 'secureConnect' : 'connect', () => this.#greet())
    socket.on('error', (error) => this.#failed(error.message))
    socket.on('close', () => this.#closed())
  }

  /** Logs in, says who it is, and asks for what must hold. */
  #greet(): void {
    const { url, name } = this.#options
    const { username, password, pathname } = new URL(url)
    const login = [username || 'default', password].map(decodeURIComponent)
    const database = pathname.slice(1) || '0'
    const greetings: Condition[] = [
      ...(password === '' ? [] : [greeting('AUTH', ...login)]),
      greeting('CLIENT', 'SETNAME', `perigee-${name}`),
      ...(database === '0' ? [] : [greeting('SELECT', database)]),
      ...(this.#condition ? [this.#condition] : []),
    ]
    const socket = this.#socket
    for (const [i, { command, check }] of greetings.entries()) {
      const last = i === greetings.length - 1
      const leave = (error: Error) => {
        this.#failed(error.message)
        socket?.destroy()
      }
      const read = (memory: Buffer, from: number, to: number) => {
        const end = replyEnd(memory, from, to)
        if (end < 0) return end
        check(memory.toString('utf8', from, end))
        if (last) this.#connected()
        return end
      }
      this.#send(encodedCommand(command), [{ read, fail: leave }])
    }
  }

  #connected(): void {
    if (this.#attempt > 1) this.#log.info('connected again')
    this.#attempt = 0
    this.#ready = true
  }

  #failed(why: string): void {
    if (this.#attempt === 0) this.#log.warn({ error: why }, 'not reachable, trying again')
    this.#attempt = Math.max(1, this.#attempt)
  }

  #closed(): void {
    this.#ready = false
    const waiting = this.#waiting.splice(0).slice(this.#next)
    this.#next = 0
    this.#from = 0
    this.#to = 0
    for (const one of waiting) one?.fail(new RedisFailure('lost', 'the connection was lost'))
    if (this.#stopped) return
    this.#attempt += 1
    const delayMs = Math.min(25 * 2 ** Math.min(this.#attempt, 10), RETRY_MS_MAX)
    this.#timer = setTimeout(() => this.#connect(), delayMs)
  }

  /** A Redis that says nothing is left. */
  #look(byMs: number): void {
    const waits = this.#next < this.#waiting.length || (!this.#ready && this.#socket?.destroyed === false)
    if (!waits || byMs - this.#heardMs < this.#options.timeoutMs) return
    this.#failed('it is silent')
    this.#socket?.destroy()
  }

  #receive(bytes: Buffer, length: number): void {
    this.#heardMs = performance.now()
    this.#room(length)
    bytes.copy(this.#memory, this.#to, 0, length)
    this.#to += length
    try {
      while (this.#next < this.#waiting.length && this.#from < this.#to && this.#reply()) {
        this.#waiting[this.#next] = undefined
        if (++this.#next < ANSWERED_MAX) continue
        this.#waiting.splice(0, this.#next)
        this.#next = 0
      }
    } catch (error) {
      this.#failed((error as Error).message)
      this.#socket?.destroy()
    }
    if (this.#from < this.#to) return
    this.#from = 0
    this.#to = 0
    if (this.#memory.length > KEPT_BYTES) this.#memory = Buffer.allocUnsafeSlow(READ_BYTES)
  }

  /** Makes room for so many further bytes after what isn't read yet. */
  #room(bytes: number): void {
    if (this.#to + bytes <= this.#memory.length) return
    const left = this.#to - this.#from
    const enough = 2 * (left + bytes) <= this.#memory.length
    const memory = enough ? this.#memory : Buffer.allocUnsafeSlow(2 * (left + bytes))
    this.#memory.copy(memory, 0, this.#from, this.#to)
    this.#memory = memory
    this.#from = 0
    this.#to = left
  }

  /** Has the next reply read. @returns whether all of it is there. @throws Error for what is no reply. */
  #reply(): boolean {
    const waiting = this.#waiting[this.#next] as Awaited
    if (this.#memory[this.#from] === MINUS) {
      const end = lineEnd(this.#memory, this.#from, this.#to)
      if (end < 0) return false
      waiting.fail(new RedisFailure('refused', this.#memory.toString('utf8', this.#from + 1, end)))
      this.#from = end + 2
      return true
    }
    const end = waiting.read(this.#memory, this.#from, this.#to)
    if (end < 0) return false
    this.#from = end
    return true
  }
}

function greeting(...command: string[]): Condition {
  return { command, check: () => {} }
}
