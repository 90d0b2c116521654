import { promise } from '../broken-promise.ts'
import type { Demo } from '../demo.ts'
import { dimensions } from '../embedding/embedder.ts'
import { model } from '../embedding/model.ts'
import { primary, type Region, regions } from '../regions.ts'
import { type Service, serviceIn } from '../services.ts'

const home: Region = 'eu-west-1'
const everywhere = { id: 'returns', text: 'Goods can be returned within thirty days.' }
const local = {
  id: 'returns-eu',
  text: 'In the European Union, goods can be returned within fourteen days of arrival.',
}
const question = 'How many days do I have to return something?'

/** A chunk meant for one region only: found there, and nowhere else. */
export async function scopeToRegion(demo: Demo): Promise<void> {
  const { report, services, corpus } = demo
  report.step(`A chunk meant for ${home} only`)
  const writing = serviceIn(services, primary).nearest.session()
  const index = notices(writing)
  await index.ensureIndex({ dimensions, metric: 'cosine', algorithm: 'flat', regionScoped: true })
  await index.upsert([
    { ...everywhere, vector: await corpus.embed(everywhere.text) },
    { ...local, vector: await corpus.embed(local.text), regions: [home] },
  ])
  const vector = await corpus.embed(question)
  for (const region of regions) {
    // The session's token makes each region answer from an index that has both writes.
    const reading = serviceIn(services, region).nearest.session(writing.token)
    const hits = await notices(reading).search(vector, { k: 10, maxWaitMs: 2_000 })
    const found = hits.map((hit) => hit.id)
    const expected = region === home ? [local.id, everywhere.id] : [everywhere.id]
    promise(
      found.toSorted().join() === expected.toSorted().join(),
      `${region} finds ${found.join(', ') || 'nothing'}, and should find ${expected.join(', ')}.`,
    )
    report.check(`${region.padEnd(14)} finds ${found.join(' and ')}`)
  }
}

const notices = (client: Pick<Service['nearest'], 'index'>) => client.index('notices', { model })
