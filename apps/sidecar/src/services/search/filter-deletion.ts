import type { SessionToken } from '@perigee/core'
import type { Filter } from '@perigee/protocol'
import { innerDeadlineMs } from '../../deadline.ts'
import { VERSION_FIELDS } from '../../follower/copy.ts'
import { compileFilter } from '../../follower/filter-query.ts'
import type { CallContext } from '../../grpc/call.ts'
import type { WriteDemand } from '../../primary/writer.ts'
import { invalidField, StatusError } from '../../status-error.ts'
import { listCopies } from './chunk-listing.ts'
import { indexNotFound } from './index-lookup.ts'
import type { SearchServiceOptions } from './search-service.ts'

const BATCH = 500
const PAGE_TIMEOUT_MS = 1_000

/** What is to be deleted. */
export interface FilterDeletion {
  readonly namespace: string
  readonly index: string
  readonly filter: Filter
  readonly call: CallContext
  readonly demand: WriteDemand
}

/**
 * Deletes the chunks that match a filter, by the primary's index once that holds everything before the call, in batches.
 * A chunk that is written anew meanwhile stays: it may match no more.
 * Sent again, it deletes what is left: with the same request id only if the first time ended in one batch is its count told
 * again.
 *
 * @throws StatusError INVALID_FIELD in a region-scoped index, INDEX_BUILDING when the index isn't that far in time,
 *   DEADLINE_EXCEEDED after a part.
 */
export async function deleteByFilter(
  { data, indexes, writer, primaryClock }: SearchServiceOptions,
  { namespace, index, filter, call, demand: { requestId, bodyHash, ...demand } }: FilterDeletion,
): Promise<{ deleted: number; last: SessionToken }> {
  const { definition, clock } = await data.indexDefinition(namespace, index, { primary: true })
  if (!definition) throw indexNotFound(namespace, index)
  if (definition.regionScoped) {
    const why =
      "can't select in a region-scoped index, of which the primary's region holds only a part; delete by ids"
    throw invalidField('filter', why)
  }
  const query = compileFilter(filter, definition)
  const deadlineMs = innerDeadlineMs(call.deadlineMs)
  await indexes.includes(definition.uid, clock, deadlineMs, call.signal)
  const { clusterId } = await data.history(clock)
  let last: SessionToken = { clusterId, position: clock }
  let deleted = 0
  let after: string | undefined
  do {
    if (Date.now() > deadlineMs || call.signal.aborted) throw partly(deleted)
    const { result } = await indexes.read(definition.uid, (reader) =>
      listCopies(reader, {
        ...{ indexUid: definition.uid, filter: query, after, fields: VERSION_FIELDS },
        ...{ countMax: BATCH, bytesMax: Number.POSITIVE_INFINITY, bytesOf: () => 0, windowMax: 1_000 },
        ...{ nowMs: primaryClock.nowMs(), timeoutMs: PAGE_TIMEOUT_MS },
      }),
    )
    const ids = result.copies.map((copy) => copy.id)
    const whole = after === undefined && result.next === undefined
    // Sent again, nothing matches any more: then the first answer, if there is one, has the count.
    if (ids.length > 0 || (whole && requestId !== undefined)) {
      const versions = result.copies.map((copy) => copy.position)
      const asked = { ...demand, deadlineMs, ...(whole && { requestId, bodyHash }) }
      const outcome = await writer.deleteChunks(definition, ids, asked, versions)
      deleted += outcome.found
      last = outcome
    }
    after = result.next
  } while (after !== undefined)
  return { deleted, last }
}

function partly(deleted: number): StatusError {
  return new StatusError(
    'DEADLINE_EXCEEDED',
    `The deadline passed after ${deleted} chunks were deleted. Send the call again, with more time, for the rest.`,
  )
}
