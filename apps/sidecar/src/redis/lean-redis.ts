import { Pieces } from '@perigee/protocol'
import type { CommandBytes } from './command-bytes.ts'
import { CommandMemory } from './command-memory.ts'
import { ReplyWalk } from './reply.ts'
import { ReplyConnection, type ReplyConnectionOptions } from './reply-connection.ts'

/** Keys that all begin with the same bytes. */
export interface PrefixedKeys {
  readonly prefix: Buffer
  /** What comes after it. */
  readonly ends: Pieces
}

/** A list that a command replies: texts, which are views, and numbers. */
export type ListReply = readonly (Buffer | number | null)[]

/**
 * The two commands of the hot path, over a connection of their own: MGET, and the function call of many Sets. Commands are written
 * into memory that is used again, values are looked at where the connection put them.
 *
 * Invariant: values are given to `take` and to nobody else; when it returns, their memory is used again. No command is sent twice.
 */
export class LeanRedis {
  readonly #connection: ReplyConnection
  readonly #commands = new CommandMemory()

  constructor(options: ReplyConnectionOptions) {
    this.#connection = new ReplyConnection(options)
  }

  /** Whether a command would be sent now. */
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
   * Reads keys in one atomic step.
   *
   * @param first read before the others.
   * @param take is given the values in the order of their keys, missing where there is none. Their memory is used again as soon
   *   as it returns.
   * @returns what `take` returns. @throws RedisFailure, or what `take` throws.
   */
  mget<T>(first: readonly string[], { prefix, ends }: PrefixedKeys, take: (values: Pieces) => T): Promise<T> {
    const written = this.#commands.take().addPrefixed(['MGET', ...first], prefix, ends)
    return this.#call(written, textsOf, take)
  }

  /**
   * Sends a command that replies with a list.
   *
   * @param write writes it, and nothing else.
   * @param take as of {@link mget}.
   */
  list<T>(write: (command: CommandBytes) => void, take: (reply: ListReply) => T): Promise<T> {
    const command = this.#commands.take()
    write(command)
    return this.#call(command, partsOf, take)
  }

  #call<T, R>(
    written: CommandBytes,
    replyOf: (walk: ReplyWalk, memory: Buffer) => R,
    take: (reply: R) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const read = (memory: Buffer, from: number, to: number) => {
        const walk = new ReplyWalk(memory, from, to)
        const reply = replyOf(walk, memory)
        if (!walk.whole) return -1
        try {
          resolve(take(reply))
        } catch (error) {
          reject(error)
        }
        return walk.at
      }
      this.#connection.send(written.bytes, [{ read, fail: reject }], () => this.#commands.giveBack(written))
    })
  }
}

/** A list of texts. @throws Error for something else. */
function textsOf(walk: ReplyWalk, memory: Buffer): Pieces {
  const texts = new Pieces(memory)
  for (let left = walk.list(); left > 0 && walk.whole; left--) {
    if (walk.text()) texts.add(walk.start, walk.end)
    else texts.addNone()
  }
  return texts
}

/** A list of texts and numbers. @throws Error for something else. */
function partsOf(walk: ReplyWalk, memory: Buffer): ListReply {
  const parts = new Array<Buffer | number | null>(Math.max(0, walk.list()))
  for (let i = 0; i < parts.length && walk.whole; i++)
    parts[i] = walk.isAtInteger ? walk.integer() : textOf(walk, memory)
  return parts
}

function textOf(walk: ReplyWalk, memory: Buffer): Buffer | null {
  return walk.text() ? memory.subarray(walk.start, walk.end) : null
}
