import { LocalCluster } from '@perigee/local-cluster'
import { type Cache, type Perigee, PerigeeError, text, type VectorIndex } from '@perigee/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientIn } from '../support/client-in.ts'

/** What a call is made with, once for each way to travel. */
interface Way {
  readonly cache: Cache<string>
  readonly index: VectorIndex
  readonly key: string
}

let cluster: LocalCluster
const clients: Perigee[] = []

beforeAll(async () => {
  cluster = await LocalCluster.start({
    ...{ regions: ['us-east-1', 'eu-west-1'], distances: 'none', sentinel: false },
  })
  for (const transport of ['auto', 'unary'] as const)
    clients.push(await clientIn(cluster, 'eu-west-1', { transport }))
})

afterAll(async () => {
  for (const client of clients) await client.close()
  await cluster?.stop()
})

/** What a call comes to, but for what can't be the same twice. */
async function outcome(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return { value: await call() }
  } catch (thrown) {
    const error = thrown as PerigeeError
    expect(error).toBeInstanceOf(PerigeeError)
    const { code, reason, region, fields, message, retryDelayMs, metadata } = error
    return { code, reason, region, fields, message, retryDelayMs, metadata }
  }
}

const model = { id: 'm', revision: '1' }

describe.each<[string, (way: Way) => Promise<unknown>]>([
  ['a miss', ({ cache, key }) => cache.get(key)],
  ['an entry', async ({ cache, key }) => [await cache.set(key, 'a').then(() => 1), await cache.get(key)]],
  [
    'an empty value',
    async ({ cache, key }) => [await cache.set(key, '').then(() => 1), await cache.get(key)],
  ],
  [
    'a key beyond ASCII',
    async ({ cache }) => [await cache.set('Zürich ✓', 'é').then(() => 1), await cache.get('Zürich ✓')],
  ],
  ['a key with half a surrogate pair', ({ cache }) => cache.get('\ud800')],
  ['a key that is too long', ({ cache }) => cache.get('k'.repeat(1_025))],
  ['a key that is far too long', ({ cache }) => cache.get('k'.repeat(5_000))],
  ['an empty key', ({ cache }) => cache.get('')],
  ['a key with NUL', ({ cache }) => cache.get('a\0')],
  ['a write with such a key', ({ cache }) => cache.set('a\0', 'a')],
  ['a value that is too large', ({ cache, key }) => cache.set(key, 'v'.repeat(1_048_577))],
  [
    'a value of a mebibyte',
    async ({ cache, key }) => [
      await cache.set(key, 'v'.repeat(1_048_576)).then(() => 1),
      (await cache.get(key))?.length,
    ],
  ],
  ['a precondition', ({ cache, key }) => cache.set(key, 'a', { ifExists: true })],
  [
    'a delete',
    async ({ cache, key }) => [
      await cache.set(key, 'a').then(() => 1),
      (await cache.delete(key)).deleted,
      await cache.get(key),
    ],
  ],
  [
    'many',
    async ({ cache }) => {
      const entries = Array.from({ length: 300 }, (_, i): [string, string] => [`m${i}`, `${i}`])
      await cache.setMany(entries)
      return (await cache.getMany(entries.map(([key]) => key))).size
    },
  ],
  ['a read of the primary', ({ cache, key }) => cache.get(key, { consistency: 'primary' })],
  ['no time', ({ cache, key }) => cache.get(key, { timeoutMs: Number.NaN })],
  ['a signal that has fired', ({ cache, key }) => cache.get(key, { signal: AbortSignal.abort() })],
  ['a search of no index', ({ index }) => index.search([1, 0])],
  ['chunks of no index', ({ index }) => index.get('a')],
])('%s', (_, call) => {
  it('is the same over one stream as by unary calls', async () => {
    const outcomes = []
    for (const client of clients) {
      const session = client.session()
      const namespace = 'same'
      const cache = session.cache(namespace, { codec: text })
      await cache.clear()
      // So that the stream is open, and plain Gets take their short way.
      await cache.get('opens')
      await cache.get('opens')
      outcomes.push(await outcome(() => call({ cache, index: session.index('none', { model }), key: 'a' })))
    }
    expect(outcomes[0]).toEqual(outcomes[1])
  })
})
