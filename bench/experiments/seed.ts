import { bytes, Perigee } from '@perigee/sdk'
import { Redis } from 'ioredis'
import { KEYS, keyOf, NAMESPACE, plainKeyOf, valueFor } from '../input/value.ts'
import type { Place } from '../regions/place.ts'

/** Writes what Gets read: through the sidecar, and plainly into the same Redis. */
export async function seedValues({ sdk, dataRedis }: Place): Promise<void> {
  await using perigee = await Perigee.connect(sdk)
  const cache = perigee.cache(NAMESPACE, { codec: bytes })
  const numbers = Array.from({ length: KEYS }, (_, n) => n)
  await cache.setMany(numbers.map((n) => [keyOf(n), valueFor(n)] as const))
  const redis = new Redis(dataRedis)
  try {
    await redis.mset(numbers.flatMap((n) => [plainKeyOf(n), valueFor(n)]))
  } finally {
    redis.disconnect()
  }
}
