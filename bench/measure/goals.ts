/** What a row must show. */
export interface Goal {
  readonly name: string
  /** What is measured, for people. */
  readonly work: string
  readonly unit: 'ratio' | 'ms' | 'MiB' | '%'
  /** Which way is better; absent for what is only told. */
  readonly is?: 'at least' | 'at most'
  readonly limit?: number
  /** What to aim at beyond the limit. */
  readonly aim?: number
}

const many = 'Get of 1 KiB, 256 in flight'

/** Every row. `name/…` are further figures of the same row, against another side. */
export const GOALS: readonly Goal[] = [
  atLeast('get-pipelined', 1.0, `${many}: SDK against ioredis auto-pipelining, calls a second`, 1.3),
  atLeast('get-plain', 1.8, `${many}: SDK against ioredis without it`),
  atLeast('get-unary', 20, `${many}: SDK against unary gRPC through the same sidecar`),
  atLeast('unary-echo', 0.8, `${many}: unary through the sidecar against a bare grpc-js echo`),
  atMost('get-one', 3.5, 'ratio', 'Get of 1 KiB, one in flight: p50, SDK against ioredis'),
  atLeast('set-pipelined', 0.6, 'Set of 1 KiB, 256 in flight: SDK against SET by ioredis auto-pipelining'),
  atLeast('session-cost', 0.9, `${many}: in a session against eventual reads, both by the SDK`),
  atLeast(
    'search-many',
    0.9,
    'Search, k 10, HNSW, 16 in flight: SDK against FT.SEARCH by ioredis, calls a second',
  ),
  atLeast('search-many/node-redis', 0.9, 'the same against FT.SEARCH by node-redis'),
  atLeast('search-many/recall', 0.99, "recall@10: the SDK's against that of FT.SEARCH by ioredis"),
  atMost('search-one', 0.6, 'ms', 'Search, one in flight: p50 above FT.SEARCH by ioredis'),
  atMost('search-one/node-redis', 0.6, 'ms', 'the same above FT.SEARCH by node-redis'),
  atLeast('follow', 0.85, 'follower filling an HNSW index that nobody searches, against raw pipelined HSET'),
  atMost('fill-p99', 2.5, 'ratio', 'search p99 while another 5,000 chunks are being indexed, against idle'),
  atLeast('fill-rate', 0.2, 'that filling meanwhile, against raw pipelined HSET that nobody searches beside'),
  atLeast(
    'upsert',
    0.5,
    'UpsertChunks acknowledged at the primary, against pipelined HSET into the data Redis',
  ),
  figureOnly('upsert/indexed', 'ratio', 'the same against pipelined HSET into a RediSearch index'),
  atMost('lag-idle', 2, 'ms', 'a write visible at a replica, above the one-way distance: p50, idle'),
  figureOnly('lag-idle/redis', 'ms', 'the same by the two data Redis alone, polled'),
  atMost('lag-loaded', 15, 'ms', 'the same at half the write rate that the primary can take'),
  figureOnly('lag-loaded/redis', 'ms', 'the same by the two data Redis alone, polled, under the same load'),
  atMost('index-lag', 10, 'ms', 'a chunk searchable at a replica, above the one-way distance: p50'),
  atMost('forward', 3, 'ms', 'a write from a replica region, above its round trip to the primary: p50'),
  figureOnly('forward/redis', 'ms', 'SET at the far primary by ioredis, above the same round trip: p50'),
  atMost('start', 250, 'ms', 'SDK: import and connect, region given, to first answer, local'),
  figureOnly('start/ioredis', 'ms', 'ioredis: the same'),
  atMost('rss', 220, 'MiB', 'sidecar under the Get load: highest RSS'),
  atMost(
    'rss-growth',
    10,
    'MiB',
    'sidecar under the Get load: RSS in the last fifth less that in the second',
  ),
  atMost('loop-p99', 20, 'ms', 'sidecar under the Get load: event loop delay, p99'),
  atMost(
    'spread',
    20,
    '%',
    '1, 2, 4 sidecars in a region: calls of the one farthest from the mean, worst of all',
  ),
  figureOnly('spread/2', '%', 'the same with two sidecars'),
  figureOnly('spread/4', '%', 'the same with four sidecars'),
]

/** What stands before the slash: what a row is asked for by. */
export function baseName(name: string): string {
  return name.split('/')[0] ?? name
}

/** Names that rows are asked for by. */
export function rowNames(): readonly string[] {
  return [...new Set(GOALS.map(({ name }) => baseName(name)))]
}

export function goalOf(name: string): Goal {
  const goal = GOALS.find((one) => one.name === name)
  if (!goal) throw new Error(`there is no row ${name}`)
  return goal
}

/** As a table shows it: `≥ 1.0, aim at 1.3`; a dash for none. */
export function goalText({ is, limit, aim }: Goal): string {
  if (is === undefined || limit === undefined) return '–'
  const bound = `${is === 'at least' ? '≥' : '≤'} ${limit}`
  return aim === undefined ? bound : `${bound}, aim at ${aim}`
}

/** Whether a value reaches the goal; undefined where there is none. */
export function isMet({ is, limit }: Goal, value: number): boolean | undefined {
  if (is === undefined || limit === undefined) return undefined
  return is === 'at least' ? value >= limit : value <= limit
}

function atLeast(name: string, limit: number, work: string, aim?: number): Goal {
  return { name, work, unit: 'ratio', is: 'at least', limit, ...(aim !== undefined && { aim }) }
}

function atMost(name: string, limit: number, unit: Goal['unit'], work: string): Goal {
  return { name, work, unit, is: 'at most', limit }
}

function figureOnly(name: string, unit: Goal['unit'], work: string): Goal {
  return { name, work, unit }
}
