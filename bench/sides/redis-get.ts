import { Redis } from 'ioredis'
import type { OpenSide } from '../driver/side.ts'
import { expectValue, plainKeyOf } from '../input/value.ts'
import { looped } from './looped.ts'

/** GET by ioredis, as it comes. */
export const openIoredisGet: OpenSide = async ({ dataRedis }) => redisGet(new Redis(dataRedis))

/** GET by ioredis with auto-pipelining. */
export const openIoredisAutoGet: OpenSide = async ({ dataRedis }) =>
  redisGet(new Redis(dataRedis, { enableAutoPipelining: true }))

function redisGet(redis: Redis) {
  return looped(
    async (n) => expectValue(await redis.getBuffer(plainKeyOf(n)), n),
    () => redis.disconnect(),
  )
}
