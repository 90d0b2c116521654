import type { Perigee } from '@perigee/sdk'
import { promise } from '../broken-promise.ts'
import type { Demo } from '../demo.ts'
import { Latencies, timed } from '../latencies.ts'
import { distanceMs, primary, promised, type Region } from '../regions.ts'
import { docs, pages, type Service } from '../services.ts'
import { ms } from '../terminal/format.ts'
import { pageKey } from './fill-indexes.ts'
import { measureAgain } from './measure-again.ts'

interface CallLatencies {
  cache: Latencies
  search: Latencies
}

export interface Comparison {
  region: Region
  nearest: CallLatencies
  /** Of a service in us-east-1 the same as nearest. */
  fromPrimary: CallLatencies
}

/** A distant call takes up to a fifth of a second, so these are fewer, and ten at a time. */
const far = { calls: 100, atOnce: 10 }
const near = { calls: 300, atOnce: 1 }
/** The first calls pay for connections and cold code, on both sides. */
const warmUp = { calls: 50, atOnce: 5 }

/** Cache reads and searches of a service in each region: answered there, and answered by us-east-1. */
export async function compareLatency(demo: Demo): Promise<Comparison[]> {
  const { report, services } = demo
  report.step('Read and search, from a service in each region')
  const clients = new Set(services.flatMap((service) => [service.nearest, service.fromPrimary]))
  for (const client of clients) await measure(demo, client, warmUp)
  const comparisons = await measureAgain(demo, () => compareAll(demo), tooSlow)
  report.table(
    ['service in', 'call', 'nearest p50', 'p99', `${primary} p50`, 'p99'],
    comparisons.flatMap((comparison) => [row(comparison, 'cache'), row(comparison, 'search')]),
    { labels: 2 },
  )
  for (const comparison of comparisons) checkDistance(comparison)
  report.check(
    `nearest p50 at most ${promised.cacheP50Ms} ms for cache reads and ${promised.searchP50Ms} ms for searches, everywhere`,
  )
  return comparisons
}

async function compareAll(demo: Demo): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  for (const service of demo.services) comparisons.push(await compare(demo, service))
  return comparisons
}

async function compare(demo: Demo, service: Service): Promise<Comparison> {
  const nearest = await measure(demo, service.nearest, near)
  if (service.region === primary) return { region: service.region, nearest, fromPrimary: nearest }
  return { region: service.region, nearest, fromPrimary: await measure(demo, service.fromPrimary, far) }
}

async function measure(
  demo: Demo,
  client: Perigee,
  load: { calls: number; atOnce: number },
): Promise<CallLatencies> {
  const cache = pages(client)
  const index = docs(client)
  const { vectors } = demo.corpus
  return {
    cache: await repeat(demo, load, async (n) => {
      const value = await cache.get(pageKey(n))
      promise(value !== undefined, `The cache has lost ${pageKey(n)}.`)
    }),
    search: await repeat(demo, load, async (n) => {
      // Primes apart, so that neighbours in the corpus don't follow each other.
      const hits = await index.search(vectors[(n * 7) % vectors.length] ?? [], { k: 10 })
      promise(hits.length === 10, `A search for 10 chunks found ${hits.length}.`)
    }),
  }
}

async function repeat(
  demo: Demo,
  load: { calls: number; atOnce: number },
  call: (n: number) => Promise<void>,
): Promise<Latencies> {
  const took: number[] = []
  let next = 0
  const lane = async () => {
    while (next < load.calls) {
      demo.signal.throwIfAborted()
      const n = next++
      took.push((await timed(() => call(n))).ms)
    }
  }
  await Promise.all(Array.from({ length: load.atOnce }, lane))
  return new Latencies(took)
}

function row(comparison: Comparison, call: 'cache' | 'search'): string[] {
  const { region, nearest, fromPrimary } = comparison
  const distant =
    region === primary ? ['(is nearest)', ''] : [ms(fromPrimary[call].p50), ms(fromPrimary[call].p99)]
  return [
    call === 'cache' ? region : '',
    call === 'cache' ? 'cache read' : 'search, k = 10',
    ms(nearest[call].p50),
    ms(nearest[call].p99),
    ...distant,
  ]
}

function tooSlow(comparisons: readonly Comparison[]): string | undefined {
  for (const { region, nearest } of comparisons) {
    const { cache, search } = nearest
    if (cache.p50 > promised.cacheP50Ms) {
      return `The p50 of cache reads in ${region} is ${ms(cache.p50)}, above ${promised.cacheP50Ms} ms`
    }
    if (search.p50 > promised.searchP50Ms) {
      return `The p50 of searches in ${region} is ${ms(search.p50)}, above ${promised.searchP50Ms} ms`
    }
  }
  return undefined
}

function checkDistance({ region, fromPrimary }: Comparison): void {
  const roundTripMs = 2 * distanceMs[region]
  for (const latencies of [fromPrimary.cache, fromPrimary.search]) {
    promise(
      latencies.min >= roundTripMs,
      `${primary} answered ${region} in ${ms(latencies.min)}, faster than their distance of ${roundTripMs} ms allows: the relays don't delay.`,
    )
  }
}
