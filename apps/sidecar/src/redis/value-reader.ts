/*
 * One connection to a Redis for one command: MGET, many keys at a time, whose values are looked at where the connection put
 * them. ioredis, which all else here goes through, makes a Buffer of what it receives and of every piece of it: with 256 Gets
 * of 1 KiB in flight this took the sidecar from 11 µs of processor time a Get to 6, most of it saved by the garbage collector.
 *
 * Invariant: values are given to `take` and to nobody else; when it returns, their memory is used again.
 */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Logger } from 'pino'
import { RedisFailure } from './connection.ts'
import { type RedisWay, tlsOptions } from './connector.ts'

export interface ValueReaderOptions extends RedisWay {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://`. */
  readonly url: string
  /** The connection's name in `CLIENT LIST` and in logs. */
  readonly name: string
  /** How long replies may stay away before the connection is taken for dead, milliseconds. */
  readonly timeoutMs: number
  readonly log: Logger
}

/** Values in the order of their keys; `null` where there is none. */
export type Values = readonly (Buffer | null)[]

interface Waiting {
  /** Throws what the caller is to be told. */
  take(reply: Values): void
  fail(error: RedisFailure): void
}

const READ_BYTES = 256 * 1024
/** A larger memory, which a large reply needs, is given back after it. */
const KEPT_BYTES = 4 * 1024 * 1024
/** So many that were answered are forgotten together. */
const ANSWERED_MAX = 256
const RETRY_MS_MAX = 500
const KEEPALIVE_MS = 5000

const [MINUS, DOLLAR, STAR, CR] = [0x2d, 0x24, 0x2a, 0x0d]

export class ValueReader {
  readonly #options: ValueReaderOptions
  readonly #log: Logger
  #socket: Socket | undefined
  #ready = false
  #stopped = true
  #attempt = 0
  #timer: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined
  #waiting: Waiting[] = []
  /** The first of those that wait. */
  #next = 0
  #heardMs = 0
  /** What was received and isn't read yet is from `from` to `to`. */
  #memory = Buffer.allocUnsafeSlow(READ_BYTES)
  #from = 0
  #to = 0

  constructor(options: ValueReaderOptions) {
    this.#options = options
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
    this.#watch = setInterval(() => this.#look(), this.#options.timeoutMs / 4)
    this.#watch.unref()
  }

  /** Closes it for good. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#watch)
    this.#socket?.destroy()
  }

  /**
   * Reads keys in one atomic step.
   *
   * @param take is given the values, which are views of memory that is used again as soon as it returns.
   * @returns what `take` returns. @throws RedisFailure, or what `take` throws.
   */
  mget<T>(keys: readonly string[], take: (values: Values) => T): Promise<T> {
    if (!this.#ready) return Promise.reject(new RedisFailure('down', 'the connection is down'))
    return new Promise((resolve, reject) => {
      this.#send(['MGET', ...keys], { take: (values) => resolve(take(values)), fail: reject })
    })
  }

  #send(command: readonly string[], waiting: Waiting): void {
    // One that wasn't waited for has heard nothing for good reason.
    if (this.#next === this.#waiting.length) this.#heardMs = performance.now()
    this.#waiting.push(waiting)
    let text = `*${command.length}\r\n`
    for (const part of command) text += `$${Buffer.byteLength(part)}\r\n${part}\r\n`
    this.#socket?.write(text)
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

  /** Logs in, and says who it is. */
  #greet(): void {
    const { url, name } = this.#options
    const { username, password, pathname } = new URL(url)
    const login = [username || 'default', password].map(decodeURIComponent)
    const greetings = [
      ...(password === '' ? [] : [['AUTH', ...login]]),
      ['CLIENT', 'SETNAME', `perigee-${name}`],
      ['SELECT', pathname.slice(1) || '0'],
    ]
    const socket = this.#socket
    for (const [i, greeting] of greetings.entries()) {
      this.#send(greeting, {
        take: () => {
          if (i === greetings.length - 1) this.#connected()
        },
        fail: (error) => {
          this.#failed(error.message)
          socket?.destroy()
        },
      })
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
    for (const one of waiting) one.fail(new RedisFailure('lost', 'the connection was lost'))
    if (this.#stopped) return
    this.#attempt += 1
    const delayMs = Math.min(25 * 2 ** Math.min(this.#attempt, 10), RETRY_MS_MAX)
    this.#timer = setTimeout(() => this.#connect(), delayMs)
  }

  /** A Redis that says nothing is left. */
  #look(): void {
    const waits = this.#next < this.#waiting.length || (!this.#ready && this.#socket?.destroyed === false)
    if (!waits || performance.now() - this.#heardMs < this.#options.timeoutMs) return
    this.#failed('it is silent')
    this.#socket?.destroy()
  }

  #receive(bytes: Buffer, length: number): void {
    this.#heardMs = performance.now()
    this.#room(length)
    bytes.copy(this.#memory, this.#to, 0, length)
    this.#to += length
    try {
      while (this.#next < this.#waiting.length && this.#reply()) {
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

  /** Hands out the next reply. @returns whether all of it is there. @throws Error for what is no reply. */
  #reply(): boolean {
    const end = this.#lineEnd(this.#from)
    if (end < 0) return false
    const waiting = this.#waiting[this.#next] as Waiting
    const kind = this.#memory[this.#from]
    if (kind === STAR) return this.#values(waiting, end)
    const line = this.#memory.toString('utf8', this.#from + 1, end)
    this.#from = end + 2
    if (kind === MINUS) waiting.fail(new RedisFailure('refused', line))
    else this.#take(waiting, [])
    return true
  }

  #values(waiting: Waiting, headEnd: number): boolean {
    const values = new Array<Buffer | null>(this.#number(this.#from + 1, headEnd))
    let at = headEnd + 2
    for (let i = 0; i < values.length; i++) {
      const end = this.#lineEnd(at)
      if (end < 0) return false
      if (this.#memory[at] !== DOLLAR) throw new Error('it answers an MGET with something else than texts')
      const start = end + 2
      if (this.#memory[at + 1] === MINUS) {
        values[i] = null
        at = start
        continue
      }
      const valueEnd = start + this.#number(at + 1, end)
      if (valueEnd + 2 > this.#to) return false
      values[i] = this.#memory.subarray(start, valueEnd)
      at = valueEnd + 2
    }
    this.#from = at
    this.#take(waiting, values)
    return true
  }

  #take(waiting: Waiting, values: Values): void {
    try {
      waiting.take(values)
    } catch (error) {
      waiting.fail(error as RedisFailure)
    }
  }

  /** Where a line ends; -1 when its end isn't there yet. */
  #lineEnd(from: number): number {
    for (let at = from; at + 1 < this.#to; at++) if (this.#memory[at] === CR) return at
    return -1
  }

  #number(from: number, to: number): number {
    let number = 0
    for (let at = from; at < to; at++) number = number * 10 + (this.#memory[at] as number) - 0x30
    return number
  }
}
