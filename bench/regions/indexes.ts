import { setTimeout as pause } from 'node:timers/promises'
import { type ChunkInput, Perigee, type VectorIndex } from '@perigee/sdk'
import { Redis } from 'ioredis'
import { DIMENSIONS, type InputChunk } from '../input/input.ts'
import { MODEL } from '../input/model.ts'
import type { Place, SearchedIndex } from './place.ts'

const LOOK_EVERY_MS = 20
const WAIT_MS = 110_000
/** What the sidecars' keys begin with. */
const ROOT = 'pg:{0}:'

/** A chunk as the SDK takes it; bound to regions where the index is. */
export function chunkInput({ id, title, text, vector }: InputChunk, regions?: readonly string[]): ChunkInput {
  return { id, text, vector, metadata: { title }, ...(regions && { regions }) }
}

/** Makes an HNSW index; region-scoped, its chunks are indexed only where they say. Gives the uid as well. */
export async function makeIndex(
  perigee: Perigee,
  name: string,
  regionScoped = false,
): Promise<{ index: VectorIndex; uid: string }> {
  const index = perigee.session().index(name, { model: MODEL })
  await index.ensureIndex({ dimensions: DIMENSIONS, algorithm: 'hnsw', regionScoped })
  const { definition } = await index.describe({ consistency: 'primary' })
  if (!definition.uid) throw new Error(`index ${name} has no uid`)
  return { index, uid: definition.uid }
}

/** Makes an index, fills it at the primary, and waits until the place's region serves all of it. */
export async function fillIndex(
  { primarySdk, indexRedis }: Place,
  name: string,
  chunks: readonly InputChunk[],
): Promise<SearchedIndex> {
  await using perigee = await Perigee.connect(primarySdk)
  const { index, uid } = await makeIndex(perigee, name)
  const redis = new Redis(indexRedis)
  try {
    // An experiment before this one may have filled it.
    if ((await copies(redis, uid)) < chunks.length)
      await index.upsert(chunks.map((chunk) => chunkInput(chunk)))
    await until(`${name} to be filled`, async () => (await copies(redis, uid)) >= chunks.length)
  } finally {
    redis.disconnect()
  }
  return { name, inRedis: `${ROOT}search:${uid}` }
}

/** How many chunks of an index an index Redis holds. */
export async function copies(indexRedis: Redis, uid: string): Promise<number> {
  return indexRedis.zcard(`${ROOT}copy-ids:${uid}`)
}

/** Drops an index, and waits until nothing of it is left to remove, so that what is measured next has the machine alone. */
export async function dropIndex(
  index: VectorIndex,
  uid: string,
  { dataRedis, indexRedis }: { readonly dataRedis: Redis; readonly indexRedis: Redis },
): Promise<void> {
  await index.drop()
  await until(`${index.name} to be gone`, async () => {
    const [chunks, left] = await Promise.all([
      dataRedis.sismember(`${ROOT}dropped`, uid),
      indexRedis.sismember(`${ROOT}copy-indexes`, uid),
    ])
    return chunks === 0 && left === 0
  })
}

/** Looks again and again until it is so. */
export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  everyMs = LOOK_EVERY_MS,
): Promise<void> {
  const giveUp = performance.now() + WAIT_MS
  while (!(await isSo())) {
    if (performance.now() > giveUp) throw new Error(`waited ${WAIT_MS / 1_000} s for ${what}`)
    await pause(everyMs)
  }
}
