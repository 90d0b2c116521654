// A process that imports a client, connects, reads one value, and prints how many milliseconds that took.
// Arguments: `sdk` or `ioredis`, and the place as JSON.

import { expectValue, keyOf, NAMESPACE, plainKeyOf } from '../input/value.ts'
import type { Place } from '../regions/place.ts'

const [, , side, json = ''] = process.argv
const place = JSON.parse(json) as Place

const from = performance.now()
const tookMs = side === 'sdk' ? await startSdk() : await startIoredis()
process.stdout.write(String(tookMs))

async function startSdk(): Promise<number> {
  const { bytes, Perigee } = await import('@perigee/sdk')
  await using perigee = await Perigee.connect(place.sdk)
  const value = await perigee.cache(NAMESPACE, { codec: bytes }).get(keyOf(1))
  const answered = performance.now()
  expectValue(value, 1)
  return answered - from
}

async function startIoredis(): Promise<number> {
  const { Redis } = await import('ioredis')
  const redis = new Redis(place.dataRedis)
  const value = await redis.getBuffer(plainKeyOf(1))
  const answered = performance.now()
  expectValue(value, 1)
  redis.disconnect()
  return answered - from
}
