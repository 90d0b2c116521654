import { Command, type Redis } from 'ioredis'
import { CommandBytes } from './command-bytes.ts'

const MULTI = new CommandBytes().add('MULTI').bytes
const EXEC = new CommandBytes().add('EXEC').bytes
const NOTHING = Buffer.alloc(0)

/** Stands for all commands of a transaction but EXEC, whose replies say no more than that they are queued. */
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

  /** The whole transaction, the first time. */
  override toWritable(): Buffer {
    const bytes = this.#bytes
    this.#bytes = NOTHING
    return bytes
  }

  /** EXEC has one for all. */
  override setTimeout(): void {}
}

/** The command whose reply tells the outcome; it was written with the others. */
class Exec extends Command {
  override toWritable(): Buffer {
    return NOTHING
  }
}

/**
 * Runs commands in one MULTI; gives their replies, or `null` when a key that the connection watched has changed.
 *
 * ioredis makes a promise, a timer and dozens of strings of each command, which for a few hundred of them takes longer than
 * the Redis may take to do them. Here it is told of two commands, the first of which has as many replies as were sent.
 *
 * @throws what ioredis throws, and the first error among the replies.
 */
export async function encodedTransaction(redis: Redis, parts: readonly CommandBytes[]) {
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const queued = new Queued(Buffer.concat([MULTI, ...parts.map(({ bytes }) => bytes), EXEC]))
  const exec = new Exec('exec')
  const write = (data: string | Buffer) => data.length === 0 || redis.stream.write(data)
  const stream = { isPipeline: true as const, destination: { redis }, write }
  for (let i = 0; i <= count; i++) redis.sendCommand(queued, stream)
  redis.sendCommand(exec, stream)
  const replies = (await exec.promise.catch((error: unknown) => {
    throw queued.error ?? error
  })) as unknown[] | null
  for (const reply of replies ?? []) if (reply instanceof Error) throw reply
  return replies
}
