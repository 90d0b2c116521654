import { Perigee } from '@perigee/sdk'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { closedLoop } from '../driver/load.ts'
import type { OpenSide, SideWork } from '../driver/side.ts'
import { type Input, K } from '../input/input.ts'
import { MODEL } from '../input/model.ts'
import type { Place, SearchedIndex } from '../regions/place.ts'
import { Recall } from './recall.ts'

/** A hit with what a caller needs of it. */
interface FoundHit {
  readonly id: string
  readonly distance: number
  readonly text: string
  readonly metadata: unknown
}

/** Search by the SDK, in the view that is its default: all but the vector. */
export const openSdkSearch: OpenSide = async (place, input) => {
  const asked = await prepared(input)
  const perigee = await Perigee.connect(place.sdk)
  const index = perigee.index(searchedIn(place).name, { model: MODEL })
  return searching(
    asked,
    async (vector, k) => {
      const hits = await index.search(vector, { k })
      if (hits.receipt.region !== place.region) throw new Error(`${hits.receipt.region} answered`)
      return hits
    },
    () => perigee.close(),
  )
}

/** FT.SEARCH by ioredis in the same index, for the same parts of the same chunks. */
export const openIoredisSearch: OpenSide = async (place, input) => {
  const asked = await prepared(input)
  const redis = new Redis(place.indexRedis, { protocol: 2 })
  const index = searchedIn(place).inRedis
  return searching(
    asked,
    async (vector, k) => {
      const words = [
        'PARAMS',
        2,
        'vector',
        bytesOf(vector),
        'SORTBY',
        'distance',
        'LIMIT',
        0,
        k,
        'DIALECT',
        2,
      ]
      const reply = await redis.call(
        'FT.SEARCH',
        index,
        queryOf(k),
        'RETURN',
        FIELDS.length,
        ...FIELDS,
        ...words,
      )
      return hitsOfReply(reply)
    },
    () => redis.disconnect(),
  )
}

/** The same by node-redis. */
export const openNodeRedisSearch: OpenSide = async (place, input) => {
  const asked = await prepared(input)
  const client = createClient({ url: place.indexRedis, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  const index = searchedIn(place).inRedis
  return searching(
    asked,
    async (vector, k) => {
      const { documents } = await client.ft.search(index, queryOf(k), {
        RETURN: [...FIELDS],
        SORTBY: 'distance',
        LIMIT: { from: 0, size: k },
        PARAMS: { vector: bytesOf(vector) },
        DIALECT: 2,
      })
      return documents.map(({ value }) => hitOf(value as Record<string, string>))
    },
    () => client.destroy(),
  )
}

const FIELDS = ['distance', 'chunk_id', 'text', 'metadata'] as const

/** What is asked, and what it should give. */
interface Asked {
  readonly queries: Input['queries']
  readonly recall: Recall
}

/** To be made before connecting: it keeps the process busy for longer than a connection may be silent. */
async function prepared(input: () => Promise<Input>): Promise<Asked> {
  const given = await input()
  return { queries: given.queries, recall: new Recall(given) }
}

function searching(
  { queries, recall }: Asked,
  search: (vector: Float32Array, k: number) => Promise<readonly FoundHit[]>,
  close: () => unknown,
): SideWork {
  const call = (k: number) => async (n: number) => {
    const number = n % queries.length
    const hits = await search(queries[number] as Float32Array, k)
    if (!hits.every(({ text, metadata }) => text && metadata)) throw new Error('a hit without its text')
    recall.take(number, hits, k)
  }
  return {
    async turn({ inFlight = 1, forMs = 0, k = K }, stop) {
      return { ...(await closedLoop(call(k), { inFlight, forMs, stop })), ...recall.figures() }
    },
    async close() {
      await close()
    },
  }
}

/** What RESP2 answers: how many, then of each its key and a list of fields and values. */
function hitsOfReply(reply: unknown): FoundHit[] {
  const [, ...documents] = reply as [number, ...(string | string[])[]]
  const lists = documents.filter((part) => Array.isArray(part))
  return lists.map((list) => {
    const fields: Record<string, string> = {}
    for (let i = 0; i + 1 < list.length; i += 2) fields[list[i] as string] = list[i + 1] as string
    return hitOf(fields)
  })
}

function hitOf({
  chunk_id: id = '',
  distance,
  text = '',
  metadata = '{}',
}: Record<string, string>): FoundHit {
  return { id, distance: Number(distance), text, metadata: JSON.parse(metadata) }
}

function queryOf(k: number): string {
  return `*=>[KNN ${k} @embedding $vector AS distance]`
}

function searchedIn({ searched }: Place): SearchedIndex {
  if (!searched) throw new Error('there is no index to search')
  return searched
}

function bytesOf(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
}
