import { setTimeout as pause } from 'node:timers/promises'
import { bytes, Perigee } from '@perigee/sdk'
import { Redis } from 'ioredis'
import { oneByOne, oneByOneOnceWarm } from '../driver/load.ts'
import type { OpenSide } from '../driver/side.ts'
import { DIMENSIONS } from '../input/input.ts'
import { MODEL } from '../input/model.ts'
import { expectValue, keyOf, plainKeyOf, valueFor } from '../input/value.ts'
import { chunkInput } from '../regions/indexes.ts'

/** Own entries, apart from those of the load. */
const NAMESPACE = 'bench-lag'
/** Longest wait at the replica; it fails rather than ask the primary. */
const READ = { maxWaitMs: 4_000, whenBehind: 'fail' } as const
/** Between two writes, at random, so that they meet every phase of whatever is periodic. */
const BETWEEN_MS = { least: 10, most: 40 } as const
/** How long before the earliest moment the replica is asked for the first time. */
const EARLY_MS = 2
/** What times in whole milliseconds lack on average. */
const CUT_OFF_MS = 0.5

/**
 * A session writes at the primary, and once that is acknowledged reads at the replica, which waits until it has what the
 * session wrote. From the primary Redis's own time of the write to the answer, less the distance. All is one machine and so
 * one clock; that time is in whole milliseconds, cut off, so half of one is added to it.
 */
export const openSdkLag: OpenSide = async (place) => {
  const [there, here] = await Promise.all([Perigee.connect(place.primarySdk), Perigee.connect(place.sdk)])
  const writing = there.session()
  const written = writing.cache(NAMESPACE, { codec: bytes })
  const lag = async (n: number) => {
    await pauseAtRandom()
    await written.set(keyOf(n), valueFor(n))
    const reading = here.session(writing.token).cache(NAMESPACE, { codec: bytes })
    const entry = await reading.getEntry(keyOf(n), READ)
    const answeredAt = nowMs()
    expectValue(entry?.value, n)
    expectRegion(entry?.receipt.region, place.region)
    return answeredAt - writtenMs(entry?.writtenAt) - place.oneWayMs
  }
  return {
    turn: (turn) => oneByOneOnceWarm(lag, turn),
    async close() {
      await Promise.all([there.close(), here.close()])
    },
  }
}

/** The same by Redis's own replication alone: SET there, and GET here again and again. */
export const openRedisLag: OpenSide = async ({ primaryRedis, dataRedis, oneWayMs }) => {
  const [there, here] = [new Redis(primaryRedis), new Redis(dataRedis)]
  let writes = 0
  const lag = async () => {
    await pauseAtRandom()
    const key = `${plainKeyOf(0)}-lag`
    const value = String(++writes)
    const replies = await there.multi().set(key, value).time().exec()
    const [seconds, microseconds] = (replies?.[1]?.[1] ?? []) as number[]
    const writtenAt = Number(seconds) * 1_000 + Number(microseconds) / 1_000
    await pause(Math.max(0, oneWayMs - EARLY_MS))
    while ((await here.get(key)) !== value)
      if (nowMs() > writtenAt + READ.maxWaitMs) throw new Error('the replica never had a write')
    return nowMs() - writtenAt - oneWayMs
  }
  return {
    turn: ({ count = 1 }) => oneByOne(lag, count),
    async close() {
      there.disconnect()
      here.disconnect()
    },
  }
}

/** The same for a chunk that is upserted at the primary and searched for at the replica. */
export const openSdkIndexLag: OpenSide = async (place, input) => {
  const { searched } = place
  if (!searched) throw new Error('there is no index')
  const { chunks } = await input()
  const [there, here] = await Promise.all([Perigee.connect(place.primarySdk), Perigee.connect(place.sdk)])
  const writing = there.session()
  const written = writing.index(searched.name, { model: MODEL })
  let writes = 0
  const lag = async () => {
    await pauseAtRandom()
    const number = ++writes
    const chunk = chunks[number % chunks.length]
    if (!chunk) throw new Error('there are no chunks')
    // Near a real one, and like no other.
    const vector = chunk.vector.map((value, i) =>
      i === number % DIMENSIONS ? value + 0.3 + number / 1e4 : value,
    )
    const id = `lag-${process.pid}-${number}`
    await written.upsert([chunkInput({ ...chunk, id, vector })])
    const hits = await here
      .session(writing.token)
      .index(searched.name, { model: MODEL })
      .search(vector, { k: 1, ...READ })
    const answeredAt = nowMs()
    if (hits[0]?.id !== id) throw new Error(`a search for ${id} found ${hits[0]?.id}`)
    expectRegion(hits.receipt.region, place.region)
    return answeredAt - writtenMs(hits[0].writtenAt) - place.oneWayMs
  }
  return {
    turn: ({ count = 1 }) => oneByOne(lag, count),
    async close() {
      await Promise.all([there.close(), here.close()])
    },
  }
}

function expectRegion(region: string | undefined, expected: string): void {
  if (region !== expected) throw new Error(`${region} answered instead of ${expected}`)
}

/** When a write was done, as precisely as its answer tells. */
function writtenMs(date: Date | undefined): number {
  return msOf(date) + CUT_OFF_MS
}

/** The machine's clock, finer than milliseconds. */
function nowMs(): number {
  return performance.timeOrigin + performance.now()
}

function msOf(date: Date | undefined): number {
  if (!date) throw new Error('an answer without the time of its write')
  return date.getTime()
}

function pauseAtRandom(): Promise<void> {
  return pause(BETWEEN_MS.least + Math.random() * (BETWEEN_MS.most - BETWEEN_MS.least))
}
