import type { LocalCluster } from '@perigee/local-cluster'
import { NAMESPACE } from './driven-session.ts'
import type { FinalState, Found, IndexSample } from './history.ts'
import { allItems, nameOf } from './plan.ts'

const ROOT = 'pg:{0}:'

/** Reads entries, chunks, clock, forks and the newest log entry, in one step. The header of an entry is binary. */
const READ_DATA = `
local items = {}
for i, key in ipairs(KEYS) do
  if ARGV[i] == 'entry' then
    local raw = redis.call('GET', key)
    if raw then
      local _, epoch, seq, _, _, type_bytes = struct.unpack('>BI8I8I8I8B', raw)
      items[i] = { string.format('%.0f-%.0f', epoch, seq), string.sub(raw, 35 + type_bytes) }
    else items[i] = {} end
  else
    local chunk = redis.call('HMGET', key, 'position', 'text')
    items[i] = chunk[1] and chunk or {}
  end
end
local newest = redis.call('XREVRANGE', '${ROOT}log', '+', '-', 'COUNT', 1)[1]
return { redis.call('GET', '${ROOT}clock') or '', redis.call('HGETALL', '${ROOT}forks'), newest and newest[1] or '0-0', items }
`

const READ_INDEX = `
local copies = {}
for i, key in ipairs(KEYS) do
  local copy = redis.call('HMGET', key, 'version', 'text')
  copies[i] = copy[1] and copy or {}
end
return { redis.call('HGETALL', '${ROOT}checkpoint'), copies }
`

/** A data Redis in one moment. */
export interface DataReading {
  readonly clock: string
  readonly forks: readonly (readonly [number, number])[]
  /** The newest entry of the change log. */
  readonly log: string
  readonly items: readonly Found[]
}

/** An index Redis in one moment. */
export interface IndexReading extends Omit<IndexSample, 'region' | 'ms'> {
  /** The last log entry that was taken over. */
  readonly log: string
}

/** Reads what the stores hold from the stores themselves. */
export class Stores {
  readonly #cluster: LocalCluster
  readonly #indexUid: string

  constructor(cluster: LocalCluster, indexUid: string) {
    this.#cluster = cluster
    this.#indexUid = indexUid
  }

  async data(region: string): Promise<DataReading> {
    const items = allItems()
    const kinds = items.map((item) => item.slice(0, item.indexOf(':')))
    const keys = items.map((item, i) =>
      kinds[i] === 'entry'
        ? `${ROOT}kv:${NAMESPACE}:${nameOf(item)}`
        : `${ROOT}chunk:${this.#indexUid}:${nameOf(item)}`,
    )
    const redis = this.#cluster.dataRedis(region)
    const reply = await redis.command('EVAL_RO', READ_DATA, String(keys.length), ...keys, ...kinds)
    const [clock, forks, log, values] = reply as [string, string[], string, string[][]]
    const found = items.map((item, i): Found => {
      const [at, value] = values[i] ?? []
      const entry = kinds[i] === 'entry'
      return { item, at, value: value !== undefined && entry ? String(JSON.parse(value)) : value }
    })
    return { clock, forks: pairs(forks).map(([e, s]) => [Number(e), Number(s)] as const), log, items: found }
  }

  async index(region: string): Promise<IndexReading> {
    const items = allItems().filter((item) => item.startsWith('chunk:'))
    const keys = items.map((item) => `${ROOT}copy:${this.#indexUid}:${nameOf(item)}`)
    const redis = this.#cluster.indexRedis(region)
    const reply = await redis.command('EVAL_RO', READ_INDEX, String(keys.length), ...keys)
    const [flat, copies] = reply as [string[], string[][]]
    const checkpoint = new Map(pairs(flat))
    return {
      applied: checkpoint.get('applied') ?? '0-0',
      seen: checkpoint.get('seen') ?? '0-0',
      log: checkpoint.get('log') ?? '0-0',
      incomplete: checkpoint.has('repair') || !checkpoint.has(`complete:${this.#indexUid}`),
      copies: items.map((item, i) => ({ item, at: copies[i]?.[0], value: copies[i]?.[1] })),
    }
  }
}

/** What all regions hold in the end, the primary first. */
export function finalState(
  primary: string,
  readings: ReadonlyMap<string, DataReading>,
  unrest: readonly string[],
): FinalState {
  const regions = [...readings].sort(([a], [b]) => Number(b === primary) - Number(a === primary))
  const newest = regions[0]?.[1]
  if (!newest) throw new Error('no data Redis could be read')
  return {
    clock: newest.clock,
    forks: newest.forks,
    regions: regions.map(([region, { items }]) => ({ region, items })),
    unrest,
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  const result: [string, string][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([flat[i] as string, flat[i + 1] as string])
  return result
}
