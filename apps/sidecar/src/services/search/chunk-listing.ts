import { comparePositions } from '@perigee/core'
import { type Copy, copyFrom, VERSION_FIELDS } from '../../follower/copy.ts'
import type { FilterQuery } from '../../follower/filter-query.ts'
import type { CopyReader } from '../../redis/copy-reader.ts'
import { FIELD } from '../../redis/search-commands.ts'
import { hasExpired } from './chunk-message.ts'

/** Copies of an index, in the order of their ids' bytes, a page at a time. */
export interface ListingQuery {
  readonly indexUid: string
  /** What one of these finds is listed, see `compileFilterAmongKeys`. Absent: all. */
  readonly filters?: readonly FilterQuery[] | undefined
  /** The id that the page before ended with; absent: from the first. */
  readonly after?: string | undefined
  readonly countMax: number
  /** Of all copies together; the first is taken whatever its size. */
  readonly bytesMax: number
  readonly bytesOf: (copy: Copy) => number
  readonly fields: readonly string[]
  /** Copies to read at once: fewer where they are large. */
  readonly windowMax: number
  readonly nowMs: number
  /** After which the page ends with what was found. */
  readonly timeoutMs: number
}

type Fields = Readonly<Record<string, Buffer | null>>

/** A page of a listing. */
export interface Listing {
  readonly copies: readonly Copy[]
  /** Where the next page begins; absent on the last. A page may be short, even empty, and not be the last. */
  readonly next?: string
}

/**
 * Lists copies. With a filter, the search module judges a window of ids at a time: so a page stays where it is however the
 * index changes, and no page takes long, however few match.
 */
export async function listCopies(reader: CopyReader, query: ListingQuery): Promise<Listing> {
  const deadline = performance.now() + query.timeoutMs
  const copies: Copy[] = []
  let bytes = 0
  let after = query.after
  while (true) {
    const window = query.filters ? query.windowMax : Math.min(query.windowMax, query.countMax - copies.length)
    const ids = await reader.ids(query.indexUid, after, window)
    for (const copy of await copiesOf(reader, query, ids)) {
      bytes += query.bytesOf(copy)
      if (copies.length > 0 && bytes > query.bytesMax) return { copies, next: after ?? '' }
      copies.push(copy)
      after = copy.id
      if (copies.length === query.countMax) return { copies, next: copy.id }
    }
    if (ids.length < window) return { copies }
    after = ids.at(-1)
    if (performance.now() > deadline) return { copies, next: after ?? '' }
  }
}

async function copiesOf(reader: CopyReader, query: ListingQuery, ids: readonly string[]): Promise<Copy[]> {
  if (ids.length === 0) return []
  const { indexUid, filters, nowMs } = query
  const fields = [...new Set([...VERSION_FIELDS, ...query.fields])]
  const rows = filters
    ? await matchingRows(reader, query, { filters, ids, fields })
    : await reader.copies(indexUid, ids, fields)
  const copies = rows.flatMap((row) => copyFrom(row) ?? []).filter((copy) => !hasExpired(copy, nowMs))
  const place = new Map(ids.map((id, i) => [id, i]))
  return copies.sort((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0))
}

async function matchingRows(
  reader: CopyReader,
  { indexUid, timeoutMs }: ListingQuery,
  asked: { filters: readonly FilterQuery[]; ids: readonly string[]; fields: readonly string[] },
): Promise<readonly Fields[]> {
  const { filters, ids, fields } = asked
  const keys = reader.copyKeys(indexUid, ids)
  const rows = new Map<string, Fields>()
  for (const { query, params } of filters) {
    const options = { fields, params, count: ids.length, keys, timeoutMs, checkpointFields: [FIELD.version] }
    const { found } = await reader.search(indexUid, query, options)
    for (const { key, fields: row } of found.documents) rows.set(key, row)
  }
  return [...rows.values()]
}

/** One page of the pages of several indexes: by id, of each id the copy that was written last. */
export function mergeListings(pages: readonly Listing[], countMax: number): Listing {
  // Past the end of a page that isn't the last of its index, more may come.
  const ends = pages.flatMap(({ next }) => (next === undefined ? [] : [next]))
  const end = ends.length === 0 ? undefined : ends.reduce((a, b) => (compareIds(a, b) < 0 ? a : b))
  const newest = new Map<string, Copy>()
  for (const copy of pages.flatMap(({ copies }) => copies)) {
    if (end !== undefined && compareIds(copy.id, end) > 0) continue
    const other = newest.get(copy.id)
    if (!other || comparePositions(other.position, copy.position) < 0) newest.set(copy.id, copy)
  }
  const copies = [...newest.values()].sort((a, b) => compareIds(a.id, b.id))
  if (copies.length > countMax) {
    const page = copies.slice(0, countMax)
    return { copies: page, next: page.at(-1)?.id ?? '' }
  }
  return { copies, ...(end !== undefined && { next: end }) }
}

/** By the bytes of their UTF-8, as Redis orders them. */
function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
