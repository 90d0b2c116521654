import type { Redis } from 'ioredis'
import type { Sample } from '../measure/sample.ts'
import { copies, until } from '../regions/indexes.ts'

/** Often enough for filling that takes a second; an answer costs Redis microseconds. */
const LOOK_EVERY_MS = 5

/** How fast an index fills, from the first batch that is seen in it to the last. */
export async function fillRate(indexRedis: Redis, uid: string, count: number): Promise<Sample> {
  let first: { readonly held: number; readonly atMs: number } | undefined
  let held = 0
  await until(
    `${count} chunks to be indexed`,
    async () => {
      held = await copies(indexRedis, uid)
      if (held > 0) first ??= { held, atMs: performance.now() }
      return held >= count
    },
    LOOK_EVERY_MS,
  )
  const seconds = (performance.now() - (first?.atMs ?? 0)) / 1_000
  const filled = held - (first?.held ?? 0)
  if (filled === 0) throw new Error(`${count} chunks are too few to see how fast they are indexed`)
  return { perSecond: filled / seconds, calls: filled }
}
