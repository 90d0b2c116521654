import { innerDeadlineMs } from '../deadline.ts'
import type { CommandBytes } from '../redis/command-bytes.ts'
import { type Argument, RedisFailure } from '../redis/connection.ts'
import {
  type FunctionLibrary,
  functionName,
  isLibraryMissing,
  LIBRARY_VERSION,
} from '../redis/function-library.ts'
import type { HistoryReader } from '../redis/history.ts'
import type { Keys } from '../redis/keys.ts'
import type { LeanRedis, ListReply } from '../redis/lean-redis.ts'
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

/**
 * What became of one of them: the seq that it took in the epoch; what its request id was answered first; the error for its
 * caller; or `not-done`: the claim isn't what it was.
 */
export type SetEachOutcome = number | WriteOutcome | Error | 'not-done'

/** What became of all of them. */
export interface SetEachOutcomes {
  readonly clusterId: string
  /** When those were written that were written now, Unix milliseconds by the primary Redis's clock. */
  readonly writtenAtMs: number
  /** In the order of the entries. */
  readonly each: readonly SetEachOutcome[]
}

const FUNCTION = functionName(LIBRARY_VERSION, 'set_each')

/** Of `set-each.lua`. */
type Replies = ListReply | readonly (string | number)[]

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
   * @param sets of one requester.
   * @throws StatusError DATA_UNAVAILABLE when nothing was sent.
   */
  async write(namespace: string, sets: readonly SetDemand[], epoch: number): Promise<SetEachOutcomes> {
    const { clusterId } = await this.#history.of(epoch)
    try {
      return await this.#call(namespace, sets, epoch, (replies) => outcomesOf(clusterId, replies))
    } catch (error) {
      if (error instanceof RedisFailure && error.kind === 'down') throw writeError(error)
      return { clusterId, writtenAtMs: 0, each: sets.map(() => failureOf(error)) }
    }
  }

  async #call<T>(
    namespace: string,
    sets: readonly SetDemand[],
    epoch: number,
    take: (replies: Replies) => T,
  ): Promise<T> {
    const runs = this.#runsOf(sets)
    if (this.#lean?.ready) {
      const write = (command: CommandBytes) => {
        const keys = KEYS_BEFORE + sets.length
        command.begin(3 + keys + 1 + ARGUMENTS_OF_RUN * runs.length + ARGUMENTS_OF_SET * sets.length)
        command.word('FCALL')
        command.word(FUNCTION)
        command.word(keys)
        this.#eachKey(namespace, sets, (key) => command.word(key))
        this.#eachArgument(namespace, sets, epoch, runs, (argument) => command.word(argument))
      }
      return this.#lean.list(write, take)
    }
    const keys: string[] = []
    const args: Argument[] = []
    this.#eachKey(namespace, sets, (key) => keys.push(key))
    this.#eachArgument(namespace, sets, epoch, runs, (argument) => args.push(argument))
    return take((await this.#library.call('set_each', keys, args)) as Replies)
  }

  #eachKey(namespace: string, sets: readonly SetDemand[], add: (key: string) => void): void {
    const keys = this.#keys
    add(keys.clock)
    add(keys.log)
    add(keys.done)
    add(keys.doneBefore)
    add(keys.cleared(namespace))
    const prefix = keys.entry(namespace, '')
    for (const { entry } of sets) add(prefix + entry.key)
  }

  #eachArgument(
    namespace: string,
    sets: readonly SetDemand[],
    epoch: number,
    runs: readonly Run[],
    add: (argument: Argument) => void,
  ): void {
    add(epoch)
    const prefix = this.#keys.requestName('Set', namespace, '', sets[0]?.requester)
    let at = 0
    for (const { set, count } of runs) {
      const { entry, precondition, deadlineMs } = set
      add(Math.floor(innerDeadlineMs(deadlineMs) + this.#redisTime.offsetMs))
      add(optionalNumber(entry.ttlMs))
      add(optionalNumber(entry.expiresAtMs))
      add(preconditionArgument(precondition))
      add(entry.contentType)
      add(count)
      for (const end = at + count; at < end; at++) {
        const { requestId, bodyHash = ANY_BODY, entry } = sets[at] as SetDemand
        add(requestId ? bodyHash : NO_REQUEST_ID)
        add(requestId ? prefix + requestId : '')
        add(asBuffer(entry.value))
      }
    }
  }

  /** Those next to one another that have all but key, value and request id in common. */
  #runsOf(sets: readonly SetDemand[]): Run[] {
    const runs: Run[] = []
    let run: Run | undefined
    for (const set of sets) {
      if (!run || !isAlike(run.set, set)) {
        run = { set, count: 0 }
        runs.push(run)
      }
      run.count += 1
    }
    return runs
  }
}

/** A run of entries as of `set-each.lua`. */
interface Run {
  /** The first of them. */
  readonly set: SetDemand
  count: number
}

const KEYS_BEFORE = 5
const ARGUMENTS_OF_RUN = 6
const ARGUMENTS_OF_SET = 3

function isAlike(a: SetDemand, b: SetDemand): boolean {
  return (
    a.deadlineMs === b.deadlineMs &&
    a.entry.contentType === b.entry.contentType &&
    a.entry.ttlMs === b.entry.ttlMs &&
    a.entry.expiresAtMs === b.entry.expiresAtMs &&
    preconditionArgument(a.precondition) === preconditionArgument(b.precondition)
  )
}

function outcomesOf(clusterId: string, replies: Replies): SetEachOutcomes {
  const [, writtenUs = 0] = String(replies[0]).split(' ').map(Number)
  const each: SetEachOutcome[] = []
  // Numbers stay numbers: an object for each is what the garbage collector would have most to do with.
  for (let i = 1; i < replies.length; i++) {
    const reply = replies[i]
    each.push(typeof reply === 'number' ? reply : toldBy(clusterId, String(reply)))
  }
  return { clusterId, writtenAtMs: writtenUs / 1000, each }
}

function toldBy(clusterId: string, text: string): SetEachOutcome {
  if (DONE.test(text)) return outcomeOf(clusterId, text.split(' ').map(Number))
  return failureOf(new RedisFailure('refused', text))
}

function failureOf(error: unknown): Error | 'not-done' {
  const notDone = error instanceof RedisFailure && (NOT_DONE_WORDS.has(error.word) || isLibraryMissing(error))
  return notDone ? 'not-done' : writeError(error)
}
