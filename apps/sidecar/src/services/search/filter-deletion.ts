import { formatPosition, type SessionToken } from '@perigee/core'
import type { Filter } from '@perigee/protocol'
import { innerDeadlineMs } from '../../deadline.ts'
import { VERSION_FIELDS } from '../../follower/copy.ts'
import { compileFilterAmongKeys, type FilterQuery } from '../../follower/filter-query.ts'
import { type CallContext, writeDeadlineMs } from '../../grpc/call.ts'
import type { ByAlias, WriteDemand } from '../../primary/writer.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { invalidField, StatusError } from '../../status-error.ts'
import { listCopies } from './chunk-listing.ts'
import type { NamedAtPrimary } from './named-write.ts'
import type { SearchServiceOptions } from './search-service.ts'

const BATCH = 500
const PAGE_TIMEOUT_MS = 1_000

/** What is to be deleted. */
export interface FilterDeletion {
  /** The indexes to delete from. */
  readonly found: NamedAtPrimary
  readonly filter: Filter
  readonly call: CallContext
  readonly demand: WriteDemand
}

/** Deleting from one index of those. */
interface OneDeletion {
  readonly definition: IndexDefinition
  readonly filters: readonly FilterQuery[]
  readonly call: CallContext
  readonly demand: WriteDemand & ByAlias
  readonly tally: Tally
}

/** What was deleted so far. */
interface Tally {
  /** Ids of several indexes count once. */
  deleted: number
  readonly ids: Set<string>
}

/**
 * Deletes the chunks that match a filter, by the primary's index once that holds everything before the call, in batches;
 * by an alias, from each of its indexes those that match there. A chunk that is written anew meanwhile stays: it may match
 * no more.
 * Sent again, it deletes what is left: with the same request id only if the first time ended in one batch is its count told
 * again.
 *
 * @throws StatusError INVALID_FIELD in a region-scoped index, INDEX_BUILDING when the index isn't that far in time,
 *   DEADLINE_EXCEEDED after a part; AliasMoved.
 */
export async function deleteByFilter(
  options: SearchServiceOptions,
  { found, filter, call, demand: { requestId, bodyHash, ...demand } }: FilterDeletion,
): Promise<{ deleted: number; last: SessionToken }> {
  const { indexes, alias, clock } = found
  if (indexes.some(({ regionScoped }) => regionScoped)) {
    const why =
      "can't select in a region-scoped index, of which the primary's region holds only a part; delete by ids"
    throw invalidField('filter', why)
  }
  const queries = indexes.map((definition) => compileFilterAmongKeys(filter, definition))
  const deadlineMs = innerDeadlineMs(writeDeadlineMs(call))
  for (const { uid } of indexes) await options.indexes.includes(uid, clock, deadlineMs, call.signal)
  const { clusterId } = await options.data.history(clock)
  let last: SessionToken = { clusterId, position: clock }
  const tally: Tally = { deleted: 0, ids: new Set() }
  for (const [i, definition] of indexes.entries()) {
    const filters = queries[i] as readonly FilterQuery[]
    const repeatable = indexes.length === 1 && { requestId, bodyHash }
    const asked = { ...demand, ...repeatable, deadlineMs, alias: alias?.name }
    last = (await deleteFromOne(options, { definition, filters, call, demand: asked, tally })) ?? last
  }
  return { deleted: tally.deleted, last }
}

/** @returns the last write's outcome; `undefined` when nothing matched. */
async function deleteFromOne(
  { indexes, writer, primaryClock }: SearchServiceOptions,
  { definition, filters, call, demand: { requestId, bodyHash, ...demand }, tally }: OneDeletion,
): Promise<SessionToken | undefined> {
  let last: SessionToken | undefined
  let after: string | undefined
  do {
    if (Date.now() > demand.deadlineMs || call.signal.aborted) throw partly(tally.deleted)
    const { result } = await indexes.read(definition.uid, (reader) =>
      listCopies(reader, {
        ...{ indexUid: definition.uid, filters, after, fields: VERSION_FIELDS },
        ...{ countMax: BATCH, bytesMax: Number.POSITIVE_INFINITY, bytesOf: () => 0, windowMax: 1_000 },
        ...{ nowMs: primaryClock.nowMs(), timeoutMs: PAGE_TIMEOUT_MS },
      }),
    )
    const ids = result.copies.map((copy) => copy.id)
    const whole = after === undefined && result.next === undefined
    // Sent again, nothing matches any more: then the first answer, if there is one, has the count.
    if (ids.length > 0 || (whole && requestId !== undefined)) {
      const versions = result.copies.map((copy) => formatPosition(copy.position))
      const asked = { ...demand, ...(whole && { requestId, bodyHash }) }
      const outcome = await writer.deleteChunks(definition, ids, asked, versions)
      count(tally, ids, outcome.found)
      last = outcome
    }
    after = result.next
  } while (after !== undefined)
  return last
}

function count(tally: Tally, ids: readonly string[], found: number): void {
  const again = ids.filter((id) => tally.ids.has(id)).length
  tally.deleted += Math.max(0, found - again)
  for (const id of ids) tally.ids.add(id)
}

function partly(deleted: number): StatusError {
  return new StatusError(
    'DEADLINE_EXCEEDED',
    `The deadline passed after ${deleted} chunks were deleted. Send the call again, with more time, for the rest.`,
  )
}
