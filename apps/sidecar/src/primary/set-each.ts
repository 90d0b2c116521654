import { innerDeadlineMs } from '../deadline.ts'
import { type Argument, RedisFailure } from '../redis/connection.ts'
import { type FunctionLibrary, isLibraryMissing } from '../redis/function-library.ts'
import type { HistoryReader } from '../redis/history.ts'
import type { Keys } from '../redis/keys.ts'
import { writeError } from '../redis/redis-status.ts'
import type { RedisTime } from './redis-time.ts'
import {
  asBuffer,
  bodyArgument,
  type EntryPrecondition,
  type EntryWrite,
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

/** What was done is told in numbers. */
const DONE = /^\d/

/** By these words a function says that nothing was done, and that the right to write is elsewhere or held. */
const NOT_DONE_WORDS = new Set(['FENCED', 'READONLY', 'HELD'])

/**
 * Writes many entries, each for itself, by one function call: what `Writer.setEntries` does of one entry each, for a
 * fraction of the cost.
 */
export class SetEach {
  readonly #library: FunctionLibrary
  readonly #keys: Keys
  readonly #history: HistoryReader
  readonly #redisTime: RedisTime

  constructor(options: {
    library: FunctionLibrary
    keys: Keys
    history: HistoryReader
    redisTime: RedisTime
  }) {
    this.#library = options.library
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
    const sent = this.#library.call('set_each', this.#keysOf(namespace, sets), this.#argumentsOf(sets, epoch))
    let replies: string[]
    try {
      replies = (await sent) as string[]
    } catch (error) {
      if (error instanceof RedisFailure && error.kind === 'down') throw writeError(error)
      return sets.map(() => failureOf(error))
    }
    return replies.map((reply) =>
      DONE.test(reply)
        ? outcomeOf(clusterId, reply.split(' ').map(Number))
        : failureOf(new RedisFailure('refused', reply)),
    )
  }

  #keysOf(namespace: string, sets: readonly SetDemand[]): string[] {
    const keys = this.#keys
    const each = [keys.clock, keys.log, keys.doneTimes, keys.cleared(namespace)]
    for (const { entry, requestId, requester } of sets) {
      each.push(keys.entry(namespace, entry.key))
      each.push(requestId ? keys.done('Set', namespace, requestId, requester) : keys.doneTimes)
    }
    return each
  }

  #argumentsOf(sets: readonly SetDemand[], epoch: number): Argument[] {
    const each: Argument[] = [epoch]
    for (const { entry, precondition, deadlineMs, ...demand } of sets) {
      const doneByMs = Math.floor(innerDeadlineMs(deadlineMs) + this.#redisTime.offsetMs)
      const expiry = `${optionalNumber(entry.ttlMs)} ${optionalNumber(entry.expiresAtMs)}`
      each.push(`${doneByMs} ${bodyArgument(demand)} ${expiry}`, preconditionArgument(precondition))
      each.push(asBuffer(entry.value), entry.contentType)
    }
    return each
  }
}

function failureOf(error: unknown): Error | 'not-done' {
  const notDone = error instanceof RedisFailure && (NOT_DONE_WORDS.has(error.word) || isLibraryMissing(error))
  return notDone ? 'not-done' : writeError(error)
}
