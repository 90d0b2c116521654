import { innerDeadlineMs } from '../deadline.ts'
import { type Argument, RedisFailure } from '../redis/connection.ts'
import {
  type FunctionLibrary,
  functionName,
  isLibraryMissing,
  LIBRARY_VERSION,
} from '../redis/function-library.ts'
import type { HistoryReader } from '../redis/history.ts'
import type { Keys } from '../redis/keys.ts'
import type { FunctionReply, LeanRedis } from '../redis/lean-redis.ts'
import { writeError } from '../redis/redis-status.ts'
import type { RedisTime } from './redis-time.ts'
import {
  ANY_BODY,
  asBuffer,
  type EntryPrecondition,
  type EntryWrite,
  NO_REQUEST_ID,
  optionalNumber,
  outcomeOf,
  preconditionArgument,
  type WriteDemand,
  type WriteOutcome,
} from './writer.ts'

/** One of several writes that have nothing to do with each other. */
export interface SetDemand extends Omit<WriteDemand, 'epoch' | 'durability'> {
  readonly entry: EntryWrite
  readonly precondition?: EntryPrecondition | undefined
}

/** What became of one of them: what it did, the error for its caller, or `not-done`: the claim isn't what it was. */
export type SetEachOutcome = WriteOutcome | Error | 'not-done'

const FUNCTION = functionName(LIBRARY_VERSION, 'set_each')

/** Of `set-each.lua`. */
type Replies = FunctionReply | readonly (string | number)[]

/** What was done before is told in numbers. */
const DONE = /^\d/

/** By these words a function says that nothing was done, and that the right to write is elsewhere or held. */
const NOT_DONE_WORDS = new Set(['FENCED', 'READONLY', 'HELD'])

/**
 * Writes many entries, each for itself, by one function call: what `Writer.setEntries` does of one entry each, for a
 * fraction of the cost.
 */
export class SetEach {
  readonly #library: FunctionLibrary
  readonly #lean: LeanRedis | undefined
  readonly #keys: Keys
  readonly #history: HistoryReader
  readonly #redisTime: RedisTime

  constructor(options: {
    library: FunctionLibrary
    /** Without it, or while it isn't connected, `library` serves. */
    lean?: LeanRedis
    keys: Keys
    history: HistoryReader
    redisTime: RedisTime
  }) {
    this.#library = options.library
    this.#lean = options.lean
    this.#keys = options.keys
    this.#history = options.history
    this.#redisTime = options.redisTime
  }

  /**
   * Writes entries of one namespace in an epoch; acknowledged by the primary.
   *
   * @returns what became of each, in their order.
   * @throws StatusError DATA_UNAVAILABLE when nothing was sent.
   */
  async write(namespace: string, sets: readonly SetDemand[], epoch: number): Promise<SetEachOutcome[]> {
    const { clusterId } = await this.#history.of(epoch)
    try {
      return await this.#call(
        this.#keysOf(namespace, sets),
        this.#argumentsOf(namespace, sets, epoch),
        (replies) => outcomesOf(clusterId, replies),
      )
    } catch (error) {
      if (error instanceof RedisFailure && error.kind === 'down') throw writeError(error)
      return sets.map(() => failureOf(error))
    }
  }

  async #call<T>(keys: string[], args: Argument[], take: (replies: Replies) => T): Promise<T> {
    if (this.#lean?.ready) return this.#lean.fcall(FUNCTION, keys, args, take)
    return take((await this.#library.call('set_each', keys, args)) as Replies)
  }

  #keysOf(namespace: string, sets: readonly SetDemand[]): string[] {
    const keys = this.#keys
    const each = [keys.clock, keys.log, keys.done, keys.doneBefore, keys.cleared(namespace)]
    for (const { entry } of sets) each.push(keys.entry(namespace, entry.key))
    return each
  }

  #argumentsOf(namespace: string, sets: readonly SetDemand[], epoch: number): Argument[] {
    const each: Argument[] = [epoch]
    let run: readonly Argument[] = []
    let countAt = 0
    let count = 0
    for (const set of sets) {
      const shared = this.#sharedOf(set)
      if (countAt === 0 || shared.some((argument, i) => argument !== run[i])) {
        run = shared
        count = 0
        countAt = each.push(...shared, 0) - 1
      }
      count += 1
      each[countAt] = count
      const { requestId, requester, bodyHash = ANY_BODY, entry } = set
      const name = requestId ? this.#keys.requestName('Set', namespace, requestId, requester) : ''
      each.push(name === '' ? NO_REQUEST_ID : bodyHash, name, asBuffer(entry.value))
    }
    return each
  }

  /** What most of those that come together have in common. */
  #sharedOf({ entry, precondition, deadlineMs }: SetDemand): readonly Argument[] {
    return [
      Math.floor(innerDeadlineMs(deadlineMs) + this.#redisTime.offsetMs),
      optionalNumber(entry.ttlMs),
      optionalNumber(entry.expiresAtMs),
      preconditionArgument(precondition),
      entry.contentType,
    ]
  }
}

function outcomesOf(clusterId: string, [when, ...replies]: Replies): SetEachOutcome[] {
  const [epoch = 0, writtenUs = 0] = String(when).split(' ').map(Number)
  const writtenAtMs = writtenUs / 1000
  return replies.map((reply) => {
    if (typeof reply === 'number') {
      const position = { epoch, seq: reply }
      return { clusterId, position, positions: [position], writtenAtMs, found: 1 }
    }
    const text = String(reply)
    return DONE.test(text)
      ? outcomeOf(clusterId, text.split(' ').map(Number))
      : failureOf(new RedisFailure('refused', text))
  })
}

function failureOf(error: unknown): Error | 'not-done' {
  const notDone = error instanceof RedisFailure && (NOT_DONE_WORDS.has(error.word) || isLibraryMissing(error))
  return notDone ? 'not-done' : writeError(error)
}
