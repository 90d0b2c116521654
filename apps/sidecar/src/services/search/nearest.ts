import { laterPosition } from '@perigee/core'
import { BASIC_FIELDS, type Copy, copyFrom } from '../../follower/copy.ts'
import type { FilterQuery } from '../../follower/filter-query.ts'
import type { AnswerPosition, RegionalIndexes } from '../../follower/regional-indexes.ts'
import { shownFrom } from '../../follower/shown-chunk.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import type { Found, FoundDocument } from '../../redis/search-commands.ts'
import { FIELD } from '../../redis/search-commands.ts'
import { hasExpired } from './chunk-message.ts'

/** A search, checked and compiled. */
export interface NearestQuery {
  readonly definition: IndexDefinition
  /** Packed in the index's type. */
  readonly vector: Buffer
  readonly k: number
  /** The filter; with a time, only for chunks that haven't expired by then. */
  readonly filter: (livingAtMs?: number) => FilterQuery
  readonly maxDistance?: number | undefined
  readonly efRuntime?: number | undefined
  /** Fields of the copies to bring along. `undefined`: the chunks as answers show them, without their vectors. */
  readonly fields: readonly string[] | undefined
  /** The primary's clock, by which expiries are reckoned. */
  readonly nowMs: number
  /** How long Redis may take each time. */
  readonly timeoutMs: number
}

/** A hit: its distance, and what it is. */
export interface Near {
  readonly distance: number
  readonly expiresAtMs: number | undefined
  readonly found: { readonly copy: Copy } | { readonly shown: Buffer }
}

const DISTANCE = '__distance'
// Asked beyond k, so that an expired hit, or a tie at the end, costs no second search. Each is read whole.
const SPARE = 2
const TIE_ROUNDS = 2

/**
 * The k nearest live copies, nearest first, those of one distance by id. Expired ones, which the sweep will remove, take
 * no place: where a few more than k don't make up for them, the index is asked again for living ones only. For a tie at the
 * end it is asked again for more, a few times, so that regions agree.
 *
 * @returns the hits, which are views of what was found, where the index was, and what was found.
 */
export async function nearest(
  indexes: RegionalIndexes,
  query: NearestQuery,
): Promise<{ hits: Near[]; at: AnswerPosition; found: Found }> {
  let filter = query.filter()
  let ask = query.k + SPARE
  let ties = 0
  let living = false
  let at: AnswerPosition | undefined
  for (;;) {
    const answer = await askFor(indexes, query, { filter, count: ask })
    at = at ? { ...answer.at, applied: at.applied, seen: laterPosition(at.seen, answer.at.seen) } : answer.at
    const { rows, found } = answer
    const live = rows.filter((near) => !hasExpired(near, query.nowMs))
    const distanceMax = query.maxDistance ?? Number.POSITIVE_INFINITY
    const hits = live.filter(({ distance }) => distance <= distanceMax)
    const last = rows.at(-1)
    const all = rows.length < ask || (last !== undefined && last.distance > distanceMax)
    const enough = all || hits.length >= query.k
    const tied = !all && hits[query.k - 1]?.distance === last?.distance
    if (enough && (!tied || ties === TIE_ROUNDS)) return { hits: hits.slice(0, query.k), at, found }
    found.release?.()
    if (enough || living) {
      ask *= 2
      ties += 1
    } else {
      filter = query.filter(query.nowMs)
      living = true
    }
  }
}

async function askFor(
  indexes: RegionalIndexes,
  query: NearestQuery,
  { filter, count }: { filter: FilterQuery; count: number },
) {
  const { definition } = query
  const breadth =
    definition.algorithm.kind === 'HNSW' && query.efRuntime ? ` EF_RUNTIME ${query.efRuntime}` : ''
  const text = `${filter.query}=>[KNN ${count} @${FIELD.embedding} $vector${breadth} AS ${DISTANCE}]`
  const search = (fields: readonly string[]) =>
    indexes.search(definition.uid, text, {
      fields: [DISTANCE, ...fields],
      params: { ...filter.params, vector: query.vector },
      count,
      sortBy: DISTANCE,
      timeoutMs: query.timeoutMs,
    })
  let { found, at } = await search(query.fields ?? SHOWN_FIELDS)
  const asCopies =
    query.fields !== undefined || !found.documents.every((document) => document.has(FIELD.shown))
  if (asCopies && !query.fields) {
    found.release?.()
    ;({ found, at } = await search(BASIC_FIELDS))
  }
  const read = asCopies ? copyNear : shownNear
  const rows: Near[] = []
  for (const document of found.documents) {
    const distance = Number(document.text(DISTANCE))
    if (Number.isNaN(distance)) continue
    // Rounding leaves the distance of a vector to itself a little below zero.
    const near = read(document, definition.metric === 'IP' ? distance : Math.max(0, distance))
    if (near) rows.push(near)
  }
  return { rows: rows.sort(byDistance), at, found }
}

const SHOWN_FIELDS = [FIELD.shown, FIELD.expiresAt]

function shownNear(document: FoundDocument, distance: number): Near | undefined {
  const shown = document.bytes(FIELD.shown)
  if (!shown) return undefined
  const expiresAt = document.text(FIELD.expiresAt)
  return { distance, expiresAtMs: expiresAt === undefined ? undefined : Number(expiresAt), found: { shown } }
}

function copyNear({ fields }: FoundDocument, distance: number): Near | undefined {
  const copy = copyFrom(fields)
  return copy && { distance, expiresAtMs: copy.expiresAtMs, found: { copy } }
}

function byDistance(a: Near, b: Near): number {
  if (a.distance !== b.distance) return a.distance - b.distance
  const [one, other] = [idOf(a), idOf(b)]
  return one < other ? -1 : one > other ? 1 : 0
}

function idOf({ found }: Near): string {
  return 'copy' in found ? found.copy.id : shownFrom(found.shown).id
}
