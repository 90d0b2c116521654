import { setTimeout as delay } from 'node:timers/promises'
import { Role } from '@perigee/protocol'
import type { OtherRegion } from '../../status/other-region.ts'
import { positionOf } from './ways.ts'

/** How long it is watched whether the others follow. */
const FOLLOW_MS = 10_000
const LOOK_MS = 25

/** Watches for a while whether regions follow the claim of an epoch; tells of each. */
export async function* followed(
  regions: readonly OtherRegion[],
  epoch: number,
  signal: AbortSignal,
): AsyncGenerator<{ readonly step: string }> {
  const left = new Set(regions)
  const untilMs = performance.now() + FOLLOW_MS
  while (left.size > 0 && performance.now() < untilMs && !signal.aborted) {
    for (const other of left) {
      if (!other.reachable || other.newest?.redisRole !== Role.REPLICA) continue
      if (positionOf(other.newest.heldPosition).epoch < epoch) continue
      left.delete(other)
      yield { step: `${other.region} follows` }
    }
    await delay(LOOK_MS)
  }
  for (const { region } of left) yield { step: `${region} doesn't follow yet: it will once it can` }
}
