/*
 * FT.SEARCH over a connection of its own, each between two looks at the checkpoint. Searches that are asked in one turn of the
 * event loop go in waves, and those of a wave share their looks, system calls and awakenings. A wave is answered as a whole: so it
 * is small, and a few are under way at a time, for Redis to work on one while another's answers are read.
 *
 * Invariant: on the connection, in order, every search has a look before it and one after it. It takes searches only once its
 * Redis, the very process, says that it fails those that it would cut short.
 */

import { CommandMemory } from './command-memory.ts'
import { RedisFailure } from './connection.ts'
import type { BetweenCheckpoints } from './copy-reader.ts'
import { foundIn } from './documents-in-reply.ts'
import { indexError } from './index-redis.ts'
import { encodedCommand, ReplyWalk } from './reply.ts'
import { type Awaited, ReplyConnection, type ReplyConnectionOptions } from './reply-connection.ts'
import { ReplyMemory } from './reply-memory.ts'
import type { Found } from './search-commands.ts'

const WAVES_MAX = 3
/** Of a wave, unless many wait: the first of them is answered no sooner than the last. */
const SEARCHES = 5
const SEARCHES_MAX = 16
/** So many different looks are remembered. */
const LOOKS_MAX = 64

type Texts = readonly (string | undefined)[]

/** What an index's checkpoint was when it was looked at last, and the bytes that said so. */
interface LastLook {
  readonly command: string
  bytes: Buffer
  texts: Texts
}

/** A search that waits to be sent. */
interface Asked {
  readonly look: LastLook
  readonly command: readonly (string | Buffer)[]
  readonly search: Search
}

export class SearchReader {
  readonly #connection: ReplyConnection
  readonly #looks = new Map<string, LastLook>()
  readonly #commands = new CommandMemory()
  readonly #replies = new ReplyMemory()
  #asked: Asked[] = []
  #scheduled = false
  #wavesUnderWay = 0

  constructor(options: ReplyConnectionOptions) {
    const check = (reply: string) => {
      if (!/\bfail\b/i.test(reply)) throw new Error('it would cut searches short')
    }
    const condition = { command: ['FT.CONFIG', 'GET', 'ON_TIMEOUT'], check }
    this.#connection = new ReplyConnection(options, condition)
  }

  /** Whether a search would be sent now, or as soon as those before it are answered. */
  get ready(): boolean {
    return this.#connection.ready
  }

  /** Starts to connect, and goes on for ever; returns at once. */
  start(): void {
    this.#connection.start()
  }

  /** Closes it for good. */
  stop(): void {
    this.#connection.stop()
  }

  /**
   * Searches. Looks that found the same are answered by the same array.
   *
   * @throws StatusError as `IndexRedis` does.
   */
  search(look: readonly string[], command: readonly (string | Buffer)[]): Promise<BetweenCheckpoints<Found>> {
    return new Promise((resolve, reject) => {
      const search = new Search(this.#replies, resolve, reject)
      this.#asked.push({ look: this.#lookOf(look), command, search })
      if (this.#scheduled) return
      this.#scheduled = true
      process.nextTick(() => {
        this.#scheduled = false
        this.#dispatch()
      })
    })
  }

  /** Sends what waits, as far as it may be under way. */
  #dispatch(): void {
    if (!this.ready) {
      const down = new RedisFailure('down', 'the connection is down')
      for (const { search } of this.#asked.splice(0)) search.fail(down)
    }
    while (this.#asked.length > 0 && this.#wavesUnderWay < WAVES_MAX) {
      const share = Math.ceil(this.#asked.length / WAVES_MAX)
      this.#send(this.#asked.splice(0, Math.min(SEARCHES_MAX, Math.max(SEARCHES, share))))
    }
  }

  #lookOf(words: readonly string[]): LastLook {
    const command = encodedCommand(words)
    let last = this.#looks.get(command)
    if (!last) {
      if (this.#looks.size >= LOOKS_MAX) this.#looks.clear()
      last = { command, bytes: Buffer.alloc(0), texts: [] }
      this.#looks.set(command, last)
    }
    return last
  }

  #send(wave: readonly Asked[]): void {
    const commands = this.#commands.take()
    const waiting: Awaited[] = []
    let look: Look | undefined
    const lookAt = (last: LastLook, precede: readonly Search[]) => {
      look = new Look(last, precede)
      commands.addWritten(last.command)
      waiting.push(look)
      return look
    }
    for (const [i, { look: last, command, search }] of wave.entries()) {
      const before = look?.last === last ? look : lookAt(last, [])
      before.follow.push(search)
      search.before = before
      commands.add(...command)
      waiting.push(search)
      if (wave[i + 1]?.look !== last) lookAt(last, before.follow)
    }
    const over = () => {
      this.#wavesUnderWay -= 1
      this.#dispatch()
    }
    this.#wavesUnderWay += 1
    if (look) look.over = over
    this.#connection.send(commands.bytes, waiting, () => this.#commands.giveBack(commands))
  }
}

/** One look at the checkpoint. */
class Look implements Awaited {
  readonly last: LastLook
  texts: Texts = []
  /** Searches that it was made after. */
  readonly precede: readonly Search[]
  /** Searches that come after it. */
  readonly follow: Search[] = []
  /** Called once it was made, or failed. */
  over: () => void = () => {}

  constructor(last: LastLook, precede: readonly Search[]) {
    this.last = last
    this.precede = precede
  }

  read(memory: Buffer, from: number, to: number): number {
    const { last } = this
    const same = from + last.bytes.length
    const unchanged = last.bytes.length > 0 && same <= to && last.bytes.compare(memory, from, same) === 0
    const end = unchanged ? same : this.#readAnew(memory, from, to)
    if (end < 0) return -1
    this.texts = last.texts
    for (const search of this.precede) search.seen(this.texts)
    this.over()
    return end
  }

  fail(error: RedisFailure): void {
    for (const search of this.precede) search.fail(error)
    for (const search of this.follow) search.fail(error)
    this.over()
  }

  #readAnew(memory: Buffer, from: number, to: number): number {
    const walk = new ReplyWalk(memory, from, to)
    const texts: (string | undefined)[] = []
    for (let left = walk.list(); left > 0 && walk.whole; left--)
      texts.push(walk.text() ? memory.toString('utf8', walk.start, walk.end) : undefined)
    if (!walk.whole) return -1
    this.last.texts = texts
    this.last.bytes = Buffer.from(memory.subarray(from, walk.at))
    return walk.at
  }
}

/** One search on its way. */
class Search implements Awaited {
  readonly #replies: ReplyMemory
  readonly #resolve: (found: BetweenCheckpoints<Found>) => void
  readonly #reject: (error: unknown) => void
  before: Look | undefined
  #found: Found | undefined

  constructor(
    replies: ReplyMemory,
    resolve: (found: BetweenCheckpoints<Found>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#replies = replies
    this.#resolve = resolve
    this.#reject = reject
  }

  read(memory: Buffer, from: number, to: number): number {
    const walk = new ReplyWalk(memory, from, to)
    this.#found = foundIn(walk, memory, { from, replies: this.#replies })
    return this.#found ? walk.at : -1
  }

  fail(error: RedisFailure): void {
    this.#reject(indexError(error, error.kind === 'refused'))
  }

  /** The look after it was made. */
  seen(after: Texts): void {
    if (this.#found && this.before) this.#resolve({ before: this.before.texts, after, found: this.#found })
  }
}
