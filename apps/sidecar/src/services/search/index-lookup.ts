import {
  comparePositions,
  type Forks,
  laterPosition,
  ORIGIN,
  type Position,
  parsePosition,
} from '@perigee/core'
import type { AnswerPosition, RegionalIndexes } from '../../follower/regional-indexes.ts'
import type { CallContext } from '../../grpc/call.ts'
import type { DataRedis } from '../../redis/data-redis.ts'
import type { IndexDefinition, NamedIndexes } from '../../redis/index-definition.ts'
import { invalidField, refusal, StatusError } from '../../status-error.ts'
import type { LocalAnswer, LocalRead } from '../read-path.ts'
import { indexOfModel, sameModel } from '../validation/model.ts'
import type { ReadChoice } from '../validation/options.ts'

/** Of the time left, how much the primary's index gets to catch up with what was written before the call. */
const INDEX_SHARE = 0.4
/** How long an index that was just created is waited for. */
const NEW_INDEX_WAIT_MS = 500

/** The error for a name that no index and no alias has. */
export function indexNotFound(namespace: string, name: string): StatusError {
  return refusal(
    'INDEX_NOT_FOUND',
    `There is no index or alias ${name} in namespace ${namespace}. Create it first, or mend the name.`,
    {
      metadata: { namespace, index: name },
    },
  )
}

/** A read that this region's copies of indexes answer. */
export interface IndexRead<O> {
  readonly data: DataRedis
  readonly indexes: RegionalIndexes
  readonly call: CallContext
  readonly namespace: string
  /** An index or an alias. */
  readonly index: string
  /** Absent: all indexes that the name stands for. */
  readonly model?: IndexDefinition['model'] | undefined
  readonly choice: ReadChoice
  /** A response without contents, for refusals. */
  readonly empty: O
  /**
   * Answers, from the index of the model, or from all indexes of the name. A StatusError of the request's own fault is
   * thrown once the region has caught up with the session.
   */
  answer(found: FoundIndexes): Promise<{ response: O; at: AnswerPosition }>
}

/** What a read is answered from: at least one index. */
export interface FoundIndexes extends NamedIndexes {
  readonly indexes: readonly [IndexDefinition, ...IndexDefinition[]]
}

interface Lookup {
  readonly found: NamedIndexes
  /** The position at which that is what the name stands for. */
  readonly at: AnswerPosition
}

/** The region's side of a read by the index: finds the index, refuses what can't be answered elsewhere, answers. */
export function indexRead<O>(read: IndexRead<O>): LocalRead<O> {
  const { data, indexes, call, namespace, index, model, choice } = read
  return {
    get localOnly() {
      if (!indexes.known) return false
      const { found } = indexes.named(namespace, index)
      return found.indexes.some((i) => i.regionScoped && (!model || sameModel(i.model, model)))
    },
    followsData: true,
    changed: (known, timeoutMs, signal) => indexes.changed(known, timeoutMs, signal),
    async answer(primary): Promise<LocalAnswer<O>> {
      const lookup = primary ? await atPrimary(data, namespace, index) : await atHome(read)
      const { found, at } = lookup
      const [first] = found.indexes
      if (!first) return { response: read.empty, ...at, refusal: indexNotFound(namespace, index) }
      try {
        const one = model && indexOfModel(model, found)
        const asked: FoundIndexes = { ...found, indexes: one ? [one] : [first, ...found.indexes.slice(1)] }
        if (call.forwardedFrom !== undefined && asked.indexes.some((i) => i.regionScoped))
          throw scopedElsewhere(choice)
        if (primary && choice.consistency === 'PRIMARY') await upTo(at.applied, asked, read)
        const answer = await read.answer(asked)
        return { response: answer.response, ...(found.alias ? both(lookup, answer.at) : answer.at) }
      } catch (error) {
        if (!(error instanceof StatusError) || error.status === 'UNAVAILABLE') throw error
        return { response: read.empty, ...at, refusal: error }
      }
    },
  }
}

/** Waits until indexes include a position. @throws StatusError INDEX_BUILDING */
async function upTo(position: Position, { indexes }: FoundIndexes, read: IndexRead<unknown>): Promise<void> {
  const deadlineMs = Date.now() + (read.call.deadlineMs - Date.now()) * INDEX_SHARE
  for (const { uid } of indexes) await read.indexes.includes(uid, position, deadlineMs, read.call.signal)
}

/** An answer by way of an alias includes no more than was known when it was looked up, and has seen the alias. */
function both({ found, at }: Lookup, answer: AnswerPosition): AnswerPosition {
  const applied = comparePositions(at.applied, answer.applied) < 0 ? at.applied : answer.applied
  const seen = laterPosition(answer.seen, parsePosition(found.alias?.position ?? '') ?? ORIGIN)
  return { applied, seen, forks: answer.forks }
}

/** What a name stands for as this region's copies have it; what they don't have yet is waited for a moment. */
async function atHome<O>(read: IndexRead<O>): Promise<Lookup> {
  const { data, indexes, namespace, index: name, model, call } = read
  const ready = ({ found }: Lookup) =>
    suits(found, model) && !found.indexes.some(({ uid }) => indexes.arriving(uid))
  const known = indexes.named(namespace, name)
  if (ready(known)) return known
  const { clock, ...found } = await data.named(namespace, name)
  if (!suits(found, model)) return { found, at: await atClock(data, clock) }
  const until = performance.now() + NEW_INDEX_WAIT_MS
  while (performance.now() < until && !call.signal.aborted) {
    const lookup = indexes.named(namespace, name)
    if (ready(lookup)) return lookup
    await indexes.moved(NEW_INDEX_WAIT_MS / 10, call.signal)
  }
  throw refusal('INDEX_BUILDING', "This region's copy of the index isn't made yet. Try again shortly.", {
    retryDelayMs: NEW_INDEX_WAIT_MS,
  })
}

/** Whether a read can be answered by what was found; an index's model never changes, an alias may get one more. */
function suits({ indexes, alias }: NamedIndexes, model: IndexDefinition['model'] | undefined): boolean {
  if (!model || !alias) return indexes.length > 0
  return indexes.some((index) => sameModel(index.model, model))
}

async function atPrimary(data: DataRedis, namespace: string, name: string): Promise<Lookup> {
  const { clock, ...found } = await data.named(namespace, name, { primary: true })
  return { found, at: await atClock(data, clock) }
}

/** The position of an answer that was read at one clock. */
export async function atClock(data: DataRedis, clock: Position, forks?: Forks): Promise<AnswerPosition> {
  return { applied: clock, seen: clock, forks: forks ?? (await data.history(clock)).forks }
}

/** A search of a region-scoped index that another region's sidecar passed on. */
function scopedElsewhere({ consistency }: ReadChoice): StatusError {
  if (consistency === 'PRIMARY') {
    return invalidField(
      'options.consistency',
      "can't be CONSISTENCY_PRIMARY outside the primary region: the index is region-scoped, so only the region asked can answer",
    )
  }
  const text =
    "The region asked can't answer, and no other region's answer will do: the index is region-scoped. Try again."
  return refusal('DATA_UNAVAILABLE', text, { retryDelayMs: 500 })
}
