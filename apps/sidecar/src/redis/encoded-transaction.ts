import { Command, type Redis } from 'ioredis'
import { CommandBytes } from './command-bytes.ts'

const MULTI = new CommandBytes().add('MULTI').bytes
const NOTHING = Buffer.alloc(0)

/** Stands for MULTI and all commands after it, whose replies say no more than that they are queued. */
class Queued extends Command {
  /** Why a command wasn't queued. */
  error: Error | undefined
  #bytes: Buffer

  constructor(bytes: Buffer) {
    super('multi')
    this.#bytes = bytes
    this.resolve = () => {}
    this.reject = (error) => {
      this.error ??= error
    }
  }

  /** All of them, the first time. */
  override toWritable(): Buffer {
    const bytes = this.#bytes
    this.#bytes = NOTHING
    return bytes
  }

  /** EXEC has one for all. */
  override setTimeout(): void {}
}

/**
 * Commands that were sent to be run in one step, at once or later. Until then the connection is for nothing else.
 *
 * ioredis makes a promise, a timer and dozens of strings of each command, which for a few hundred of them takes longer than
 * the Redis may take to do them. Here it is told of one command, which has as many replies as were sent.
 */
export class EncodedTransaction {
  readonly #redis: Redis
  readonly #queued: Queued

  /** Sends the commands. */
  constructor(redis: Redis, parts: readonly CommandBytes[]) {
    this.#redis = redis
    this.#queued = new Queued(Buffer.concat([MULTI, ...parts.map(({ bytes }) => bytes)]))
    const write = (data: string | Buffer) => data.length === 0 || redis.stream.write(data)
    const stream = { isPipeline: true as const, destination: { redis }, write }
    const count = parts.reduce((sum, part) => sum + part.count, 0)
    for (let i = 0; i <= count; i++) redis.sendCommand(this.#queued, stream)
  }

  /**
   * Has them run; gives their replies, or `null` when a key that the connection watched has changed.
   *
   * @throws what ioredis throws, and the first error among the replies.
   */
  async run(): Promise<unknown[] | null> {
    const exec = new Command('exec')
    this.#redis.sendCommand(exec)
    const replies = (await exec.promise.catch((error: unknown) => {
      throw this.#queued.error ?? error
    })) as unknown[] | null
    for (const reply of replies ?? []) if (reply instanceof Error) throw reply
    return replies
  }

  /** Takes them back. Nothing is watched any more. */
  discard(): void {
    // One that lacks its arguments makes EXEC drop them all: DISCARD would have to be allowed by yet another rule.
    for (const command of [new Command('hset'), new Command('exec')]) {
      this.#redis.sendCommand(command)
      // Nor is there anything to take back at a connection that is gone.
      command.promise.catch(() => {})
    }
  }
}
