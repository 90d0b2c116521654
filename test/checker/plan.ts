import { randomNumbers } from '../support/vectors.ts'
import type { Item, OperationKind } from './history.ts'

/** A call that a session is going to make. */
export interface PlannedCall {
  readonly kind: OperationKind
  readonly item: Item
  /** Where the session is by then. */
  readonly region: string
  readonly timeoutMs: number
  readonly hurried: boolean
  readonly primary: boolean
  readonly replicated: boolean
  /** Hits that a search asks for. */
  readonly k: number
}

export interface PlanOptions {
  readonly seed: number
  readonly session: number
  readonly count: number
  readonly regions: readonly string[]
  /** Of calls that aren't hurried. */
  readonly timeoutMs: number
  /** Part of the writes that ask for replicas to have them, 0 to 1. */
  readonly replicated: number
}

export const ENTRIES = 50
export const CHUNKS = 50

const MOVES = 0.25
const HURRIED = 0.02
const OF_PRIMARY = 0.03
const HURRY_MS_MAX = 800
const WIDE_SEARCHES = 0.2
const WIDE_K = 5

export function entryItem(number: number): Item {
  return `entry:k${number}`
}

export function chunkItem(number: number): Item {
  return `chunk:c${number}`
}

/** Everything there is to read and write. */
export function allItems(): Item[] {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
  return [...numbers(ENTRIES).map(entryItem), ...numbers(CHUNKS).map(chunkItem)]
}

/** What an item is called in its cache or index. */
export function nameOf(item: Item): string {
  return item.slice(item.indexOf(':') + 1)
}

/** A session's calls, the same for the same seed: 40 % writes, 40 % reads, 20 % searches. */
export function* planOf({
  seed,
  session,
  count,
  regions,
  timeoutMs,
  replicated,
}: PlanOptions): Generator<PlannedCall> {
  const random = randomNumbers(seed * 7919 + session)
  const below = (n: number) => Math.floor(random() * n)
  let region = regions[session % regions.length] as string
  for (let i = 0; i < count; i++) {
    if (random() < MOVES) region = regions[below(regions.length)] as string
    const kind = kindOf(random())
    const ofEntry = kind === 'set' || kind === 'get'
    const hurried = random() < HURRIED
    const writes = kind === 'set' || kind === 'upsert'
    yield {
      kind,
      item: ofEntry ? entryItem(below(ENTRIES)) : chunkItem(below(CHUNKS)),
      region,
      timeoutMs: hurried ? 20 + below(HURRY_MS_MAX) : timeoutMs,
      hurried,
      primary: !writes && random() < OF_PRIMARY,
      replicated: writes && random() < replicated,
      k: random() < WIDE_SEARCHES ? WIDE_K : 1,
    }
  }
}

function kindOf(share: number): OperationKind {
  if (share < 0.2) return 'set'
  if (share < 0.4) return 'upsert'
  return share < 0.8 ? 'get' : 'search'
}
