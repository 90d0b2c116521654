import { Perigee } from '@perigee/sdk'

await using perigee = await Perigee.connect({
  domain: 'rag.internal', // finds api.<region>.rag.internal, the nearest one first
  regions: ['us-east-1', 'eu-west-1', 'ap-southeast-1'],
  dns: process.env.PERIGEE_DNS ?? '127.0.2.1:7753', // eu-west-1's view in `perigee dev`; leave it out elsewhere
})
const session = perigee.session(process.env.PERIGEE_SESSION) // reads its own writes, in every region

const answers = session.cache<string>('answers')
const answer = await answers.getOrCompute('42', async () => 'what is six by nine?', { ttlMs: 60_000 })

const docs = session.index('docs', { model: { id: 'three-numbers', revision: '1' } })
await docs.ensureIndex({ dimensions: 3, attributes: { lang: 'tag', year: 'numeric' } })
await docs.upsert([
  { id: 'apogee', text: 'The farthest point', vector: [0.1, 0.9, 0.2], metadata: { lang: 'en', year: 2023 } },
  { id: 'perigee', text: 'The nearest point', vector: [0.9, 0.1, 0.2], metadata: { lang: 'en', year: 2025 } },
])
const hits = await docs.search([1, 0, 0], { k: 1, filter: { lang: 'en', year: { min: 2024 } } })

console.log(answer, '|', hits[0]?.text, '| answered by', hits.receipt.region)
console.log(session.token) // hand it on by cookie, header or queue message
