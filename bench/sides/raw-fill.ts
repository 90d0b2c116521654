import { Redis } from 'ioredis'
import type { OpenSide, SideWork } from '../driver/side.ts'
import { DIMENSIONS, type InputChunk } from '../input/input.ts'

const INDEX = 'bench-raw'
const PREFIX = 'bench:raw:'
/** HSETs sent at once, and how many such pipelines are under way: as the SDK's upsert does. */
const PIPELINE = 200
const PIPELINES = 4

/** Pipelined HSET into a RediSearch index like the one that a follower fills. */
export const openRawFill: OpenSide = async ({ indexRedis }, input) => {
  const redis = new Redis(indexRedis, { protocol: 2 })
  return filling(redis, (await input()).chunks, true)
}

/** Pipelined HSET into the primary's data Redis, where nothing indexes it. */
export const openRawHset: OpenSide = async ({ dataRedis }, input) => {
  const redis = new Redis(dataRedis)
  return filling(redis, (await input()).chunks, false)
}

function filling(redis: Redis, chunks: readonly InputChunk[], indexed: boolean): SideWork {
  return {
    async turn({ count = chunks.length }) {
      if (indexed) await createIndex(redis)
      const from = performance.now()
      await writeAll(redis, chunks.slice(0, count))
      const seconds = (performance.now() - from) / 1_000
      const written = Math.min(count, chunks.length)
      if (indexed) await expectIndexed(redis, written)
      await remove(redis, indexed, chunks.slice(0, count))
      return { perSecond: written / seconds, calls: written }
    },
    async close() {
      redis.disconnect()
    },
  }
}

async function writeAll(redis: Redis, chunks: readonly InputChunk[]): Promise<void> {
  const batches = Array.from({ length: Math.ceil(chunks.length / PIPELINE) }, (_, i) =>
    chunks.slice(i * PIPELINE, (i + 1) * PIPELINE),
  )
  const writer = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      const pipeline = redis.pipeline()
      for (const chunk of batch) pipeline.hset(`${PREFIX}${chunk.id}`, ...fieldsOf(chunk))
      for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error
    }
  }
  await Promise.all(Array.from({ length: PIPELINES }, writer))
}

/** What a copy of a chunk holds. */
function fieldsOf({ id, title, text, vector }: InputChunk): (string | Buffer)[] {
  const embedding = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  return [
    ...['embedding', embedding, 'chunk_id', id, 'text', text],
    ...[
      'metadata',
      JSON.stringify({ title }),
      'version',
      '1763848912345002-1042',
      'written_at',
      '1763848912345',
    ],
  ]
}

async function createIndex(redis: Redis): Promise<void> {
  const vector = ['TYPE', 'FLOAT32', 'DIM', DIMENSIONS, 'DISTANCE_METRIC', 'COSINE']
  const graph = ['M', 16, 'EF_CONSTRUCTION', 200, 'EF_RUNTIME', 64]
  const words = [...vector, ...graph]
  await redis.call(
    ...(['FT.CREATE', INDEX, 'ON', 'HASH', 'PREFIX', 1, PREFIX, 'STOPWORDS', 0, 'SCHEMA'] as const),
    ...['embedding', 'VECTOR', 'HNSW', words.length, ...words],
    ...['chunk_id', 'TEXT', 'NOSTEM', 'region_tags', 'TAG', 'CASESENSITIVE'],
    ...['text', 'TEXT', 'NOSTEM', 'expires_at', 'NUMERIC'],
  )
}

async function expectIndexed(redis: Redis, count: number): Promise<void> {
  const [found] = (await redis.call('FT.SEARCH', INDEX, '*', 'LIMIT', 0, 0)) as [number]
  if (Number(found) !== count) throw new Error(`${found} of ${count} chunks are in the raw index`)
}

async function remove(redis: Redis, indexed: boolean, chunks: readonly InputChunk[]): Promise<void> {
  if (indexed) await redis.call('FT.DROPINDEX', INDEX)
  const pipeline = redis.pipeline()
  for (const { id } of chunks) pipeline.unlink(`${PREFIX}${id}`)
  await pipeline.exec()
}
