import { laterPosition } from '@perigee/core'
import { type Copy, copyFrom } from '../../follower/copy.ts'
import type { FilterQuery } from '../../follower/filter-query.ts'
import type { AnswerPosition, RegionalIndexes } from '../../follower/regional-indexes.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import type { FoundDocument } from '../../redis/search-commands.ts'
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
  /** Fields of the copies to bring along. */
  readonly fields: readonly string[]
  /** The primary's clock, by which expiries are reckoned. */
  readonly nowMs: number
  /** How long Redis may take each time. */
  readonly timeoutMs: number
}

/** A copy and its distance. */
export interface Near {
  readonly copy: Copy
  readonly distance: number
}

const DISTANCE = '__distance'
// Asked beyond k, so that an expired hit, or a tie at the end, costs no second search. Each is read whole.
const SPARE = 2
const TIE_ROUNDS = 2

/**
 * The k nearest live copies, nearest first, those of one distance by id. Expired ones, which the sweep will remove, take
 * no place: where a few more than k don't make up for them, the index is asked again for living ones only. For a tie at the
 * end it is asked again for more, a few times, so that regions agree.
 */
export async function nearest(
  indexes: RegionalIndexes,
  query: NearestQuery,
): Promise<{ hits: Near[]; at: AnswerPosition }> {
  let filter = query.filter()
  let ask = query.k + SPARE
  let ties = 0
  let living = false
  let at: AnswerPosition | undefined
  for (;;) {
    const answer = await askFor(indexes, query, { filter, count: ask })
    at = at ? { ...answer.at, applied: at.applied, seen: laterPosition(at.seen, answer.at.seen) } : answer.at
    const { rows } = answer
    const live = rows.filter(({ copy }) => !hasExpired(copy, query.nowMs))
    const distanceMax = query.maxDistance ?? Number.POSITIVE_INFINITY
    const hits = live.filter(({ distance }) => distance <= distanceMax)
    const last = rows.at(-1)
    const all = rows.length < ask || (last !== undefined && last.distance > distanceMax)
    const enough = all || hits.length >= query.k
    const tied = !all && hits[query.k - 1]?.distance === last?.distance
    if (enough && (!tied || ties === TIE_ROUNDS)) return { hits: hits.slice(0, query.k), at }
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
  const { found, at } = await indexes.search(definition.uid, text, {
    fields: [DISTANCE, ...query.fields],
    params: { ...filter.params, vector: query.vector },
    count,
    sortBy: DISTANCE,
    timeoutMs: query.timeoutMs,
  })
  const rows = found.documents.flatMap((document) => nearFrom(document, definition.metric))
  return { rows: rows.sort(byDistance), at }
}

function nearFrom({ fields }: FoundDocument, metric: IndexDefinition['metric']): Near[] {
  const copy = copyFrom(fields)
  const distance = Number(String(fields[DISTANCE]))
  if (!copy || Number.isNaN(distance)) return []
  // Rounding leaves the distance of a vector to itself a little below zero.
  return [{ copy, distance: metric === 'IP' ? distance : Math.max(0, distance) }]
}

function byDistance(a: Near, b: Near): number {
  return a.distance - b.distance || (a.copy.id < b.copy.id ? -1 : a.copy.id > b.copy.id ? 1 : 0)
}
