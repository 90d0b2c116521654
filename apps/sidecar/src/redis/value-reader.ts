import { encodedCommand, ReplyWalk } from './reply.ts'
import { ReplyConnection, type ReplyConnectionOptions } from './reply-connection.ts'

/** Values in the order of their keys; `null` where there is none. */
export type Values = readonly (Buffer | null)[]

/**
 * MGET over a connection of its own, many keys at a time. With 256 Gets of 1 KiB in flight this took the sidecar from 11 µs of
 * processor time a Get to 6.
 */
export class ValueReader {
  readonly #connection: ReplyConnection

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
   * @param take is given the values, which are views of memory that is used again as soon as it returns.
   * @returns what `take` returns. @throws RedisFailure, or what `take` throws.
   */
  mget<T>(keys: readonly string[], take: (values: Values) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const read = (memory: Buffer, from: number, to: number) => {
        const walk = new ReplyWalk(memory, from, to)
        const values = new Array<Buffer | null>(Math.max(0, walk.list()))
        for (let i = 0; i < values.length; i++) {
          values[i] = walk.text() ? memory.subarray(walk.start, walk.end) : null
          if (!walk.whole) return -1
        }
        if (!walk.whole) return -1
        try {
          resolve(take(values))
        } catch (error) {
          reject(error)
        }
        return walk.at
      }
      this.#connection.send(encodedCommand(['MGET', ...keys]), [{ read, fail: reject }])
    })
  }
}
