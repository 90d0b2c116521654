import { bytes, Perigee } from '@perigee/sdk'
import { Redis } from 'ioredis'
import type { OpenSide } from '../driver/side.ts'
import { expectValue, KEYS, keyOf, NAMESPACE, plainKeyOf, valueFor } from '../input/value.ts'
import { looped } from './looped.ts'

const values = Array.from({ length: KEYS }, (_, n) => valueFor(n))
const READ_BACK = 32

/** Set by the SDK. */
export const openSdkSet: OpenSide = async ({ sdk }) => {
  const perigee = await Perigee.connect(sdk)
  const cache = perigee.cache(NAMESPACE, { codec: bytes })
  return looped(
    async (n) => {
      const written = await cache.set(keyOf(n), values[n % KEYS] as Buffer)
      if (!written) throw new Error(`${keyOf(n)} was not written`)
    },
    () => perigee.close(),
    () => readBack((n) => cache.get(keyOf(n))),
  )
}

/** SET by ioredis with auto-pipelining. */
export const openIoredisAutoSet: OpenSide = async ({ dataRedis }) => {
  const redis = new Redis(dataRedis, { enableAutoPipelining: true })
  return looped(
    async (n) => {
      const reply = await redis.set(plainKeyOf(n), values[n % KEYS] as Buffer)
      if (reply !== 'OK') throw new Error(`SET answered ${reply}`)
    },
    () => redis.disconnect(),
    () => readBack((n) => redis.getBuffer(plainKeyOf(n))),
  )
}

async function readBack(get: (n: number) => Promise<Uint8Array | null | undefined>): Promise<void> {
  for (let n = 0; n < READ_BACK; n++) expectValue(await get(n), n)
}
