import type { Forks, Position } from '@perigee/core'
import type { AnswerPosition, RegionalIndexes } from '../../follower/regional-indexes.ts'
import type { CallContext } from '../../grpc/call.ts'
import type { DataRedis } from '../../redis/data-redis.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { invalidField, refusal, StatusError } from '../../status-error.ts'
import type { LocalAnswer, LocalRead } from '../read-path.ts'
import type { ReadChoice } from '../validation/options.ts'

/** Of the time left, how much the primary's index gets to catch up with what was written before the call. */
const INDEX_SHARE = 0.4
/** How long an index that was just created is waited for. */
const NEW_INDEX_WAIT_MS = 500

/** The error for a name that no index has. */
export function indexNotFound(namespace: string, name: string): StatusError {
  return refusal(
    'INDEX_NOT_FOUND',
    `There is no index ${name} in namespace ${namespace}. Create it first, or mend the name.`,
    {
      metadata: { namespace, index: name },
    },
  )
}

/** A read that this region's copy of an index answers. */
export interface IndexRead<O> {
  readonly data: DataRedis
  readonly indexes: RegionalIndexes
  readonly call: CallContext
  readonly namespace: string
  readonly index: string
  readonly choice: ReadChoice
  /** A response without contents, for refusals. */
  readonly empty: O
  /** Answers. A StatusError of the request's own fault is thrown once the region has caught up with the session. */
  answer(definition: IndexDefinition): Promise<{ response: O; at: AnswerPosition }>
}

/** The region's side of a read by the index: finds the index, refuses what can't be answered elsewhere, answers. */
export function indexRead<O>(read: IndexRead<O>): LocalRead<O> {
  const { data, indexes, call, namespace, index, choice } = read
  return {
    get localOnly() {
      return indexes.regionScoped(namespace, index)
    },
    followsData: true,
    changed: (known, timeoutMs, signal) => indexes.changed(known, timeoutMs, signal),
    async answer(primary): Promise<LocalAnswer<O>> {
      const { definition, at } = primary ? await atPrimary(data, namespace, index) : await atHome(read)
      if (!definition) return { response: read.empty, ...at, refusal: indexNotFound(namespace, index) }
      if (definition.regionScoped && call.forwardedFrom !== undefined) throw scopedElsewhere(choice)
      if (primary && choice.consistency === 'PRIMARY') {
        const leftMs = call.deadlineMs - Date.now()
        await indexes.includes(definition.uid, at.applied, Date.now() + leftMs * INDEX_SHARE, call.signal)
      }
      try {
        const answer = await read.answer(definition)
        return { response: answer.response, ...answer.at }
      } catch (error) {
        if (!(error instanceof StatusError) || error.status === 'UNAVAILABLE') throw error
        return { response: read.empty, ...at, refusal: error }
      }
    },
  }
}

/** The index as this region's copies know it; one that they don't know yet is waited for a moment. */
async function atHome<O>({
  data,
  indexes,
  call: { signal },
  namespace,
  index: name,
}: IndexRead<O>): Promise<{ definition: IndexDefinition | undefined; at: AnswerPosition }> {
  const known = indexes.find(namespace, name)
  if (known.definition) return known
  const { definition, clock } = await data.indexDefinition(namespace, name)
  if (!definition) return { definition, at: await atClock(data, clock) }
  const until = performance.now() + NEW_INDEX_WAIT_MS
  while (performance.now() < until && !signal.aborted) {
    const found = indexes.find(namespace, name)
    if (found.definition) return found
    await indexes.moved(NEW_INDEX_WAIT_MS / 10, signal)
  }
  throw refusal('INDEX_BUILDING', "This region's copy of the index isn't made yet. Try again shortly.", {
    retryDelayMs: NEW_INDEX_WAIT_MS,
  })
}

async function atPrimary(
  data: DataRedis,
  namespace: string,
  name: string,
): Promise<{ definition: IndexDefinition | undefined; at: AnswerPosition }> {
  const { definition, clock } = await data.indexDefinition(namespace, name, { primary: true })
  return { definition, at: await atClock(data, clock) }
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
