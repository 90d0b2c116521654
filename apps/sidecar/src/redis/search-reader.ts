/*
 * FT.SEARCH over connections of its own, each between two looks at the checkpoint. Searches that are asked in one turn of the
 * event loop go in waves, and those of a wave share their looks. Redis answers what it reads at once together: so a wave is
 * small, and there are two connections with one wave each, for Redis to work on one while the other's answers are read.
 *
 * Invariant: on its connection, in order, every search has a look before it and one after it. A connection takes searches only
 * once its Redis, the very process, says that it fails those that it would cut short.
 */

import { RedisFailure } from './connection.ts'
import type { BetweenCheckpoints } from './copy-reader.ts'
import { foundIn } from './documents-in-reply.ts'
import { indexError } from './index-redis.ts'
import { encodedCommand, encodedCommands, ReplyWalk } from './reply.ts'
import { type Awaited, ReplyConnection, type ReplyConnectionOptions } from './reply-connection.ts'
import type { Found } from './search-commands.ts'

const CONNECTIONS = 2
/** Of a wave: the first of them is answered no sooner than the last. */
const SEARCHES_MAX = 4
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

/** A connection, and whether a wave is under way on it. */
interface Lane {
  readonly connection: ReplyConnection
  busy: boolean
}

export class SearchReader {
  readonly #lanes: readonly Lane[]
  readonly #looks = new Map<string, LastLook>()
  #asked: Asked[] = []
  #scheduled = false

  constructor(options: ReplyConnectionOptions) {
    const check = (reply: string) => {
      if (!/\bfail\b/i.test(reply)) throw new Error('it would cut searches short')
    }
    const condition = { command: ['FT.CONFIG', 'GET', 'ON_TIMEOUT'], check }
    this.#lanes = Array.from({ length: CONNECTIONS }, (_, i) => ({
      connection: new ReplyConnection({ ...options, name: `${options.name}-${i}` }, condition),
      busy: false,
    }))
  }

  /** Whether a search would be sent now, or as soon as those before it are answered. */
  get ready(): boolean {
    return this.#lanes.some(({ connection }) => connection.ready)
  }

  /** Starts to connect, and goes on for ever; returns at once. */
  start(): void {
    for (const { connection } of this.#lanes) connection.start()
  }

  /** Closes it for good. */
  stop(): void {
    for (const { connection } of this.#lanes) connection.stop()
  }

  /**
   * Searches. Looks that found the same are answered by the same array.
   *
   * @throws StatusError as `IndexRedis` does.
   */
  search(look: readonly string[], command: readonly (string | Buffer)[]): Promise<BetweenCheckpoints<Found>> {
    return new Promise((resolve, reject) => {
      const search = new Search(resolve, reject)
      this.#asked.push({ look: this.#lookOf(look), command, search })
      if (this.#scheduled) return
      this.#scheduled = true
      process.nextTick(() => {
        this.#scheduled = false
        this.#dispatch()
      })
    })
  }

  /** Sends what waits over the connections that are free. */
  #dispatch(): void {
    if (!this.ready) {
      const down = new RedisFailure('down', 'the connection is down')
      for (const { search } of this.#asked.splice(0)) search.fail(down)
    }
    for (const lane of this.#lanes) {
      if (this.#asked.length === 0) return
      if (!lane.busy && lane.connection.ready) this.#send(lane, this.#asked.splice(0, SEARCHES_MAX))
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

  #send(lane: Lane, wave: readonly Asked[]): void {
    const commands: (string | readonly (string | Buffer)[])[] = []
    const waiting: Awaited[] = []
    let look: Look | undefined
    const lookAt = (last: LastLook, precede: readonly Search[]) => {
      look = new Look(last, precede)
      commands.push(last.command)
      waiting.push(look)
      return look
    }
    for (const [i, { look: last, command, search }] of wave.entries()) {
      const before = look?.last === last ? look : lookAt(last, [])
      before.follow.push(search)
      search.before = before
      commands.push(command)
      waiting.push(search)
      if (wave[i + 1]?.look !== last) lookAt(last, before.follow)
    }
    const over = () => {
      lane.busy = false
      this.#dispatch()
    }
    lane.busy = true
    if (look) look.over = over
    lane.connection.send(encodedCommands(commands), waiting)
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
  readonly #resolve: (found: BetweenCheckpoints<Found>) => void
  readonly #reject: (error: unknown) => void
  before: Look | undefined
  #found: Found | undefined

  constructor(resolve: (found: BetweenCheckpoints<Found>) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  read(memory: Buffer, from: number, to: number): number {
    const walk = new ReplyWalk(memory, from, to)
    this.#found = foundIn(walk, memory, from)
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
