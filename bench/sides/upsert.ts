import { Perigee } from '@perigee/sdk'
import { Redis } from 'ioredis'
import type { OpenSide } from '../driver/side.ts'
import { chunkInput, dropIndex, makeIndex } from '../regions/indexes.ts'

/** Upsert by the SDK as it comes, until the primary has acknowledged all of it. */
export const openSdkUpsert: OpenSide = async (place, input) => {
  const perigee = await Perigee.connect(place.sdk)
  const [dataRedis, indexRedis] = [new Redis(place.dataRedis), new Redis(place.indexRedis)]
  const chunks = (await input()).chunks.map((chunk) => chunkInput(chunk))
  return {
    async turn({ round, count = chunks.length }) {
      const batch = chunks.slice(0, count)
      const { index, uid } = await makeIndex(perigee, `upsert-${round + 1}`)
      const from = performance.now()
      const { upserted } = await index.upsert(batch)
      const seconds = (performance.now() - from) / 1_000
      if (upserted !== batch.length) throw new Error(`${upserted} of ${batch.length} chunks were written`)
      await dropIndex(index, uid, { dataRedis, indexRedis })
      return { perSecond: upserted / seconds, calls: upserted }
    },
    async close() {
      dataRedis.disconnect()
      indexRedis.disconnect()
      await perigee.close()
    },
  }
}
