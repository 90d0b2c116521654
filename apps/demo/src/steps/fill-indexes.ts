import { type ChunkInput, PerigeeError, type RegionalIndex, type VectorIndex } from '@perigee/sdk'
import type { Demo } from '../demo.ts'
import { dimensions } from '../embedding/embedder.ts'
import { poll } from '../poll.ts'
import { primary, type Region } from '../regions.ts'
import { docs, pages, type Service, serviceIn } from '../services.ts'
import { count, ms, seconds } from '../terminal/format.ts'
import { Progress } from '../terminal/progress.ts'
import { sparkline } from '../terminal/sparkline.ts'
import type { PreparedCorpus } from './prepare-corpus.ts'

const pageCount = 500
const pageBytes = 1_024

export interface Filled {
  chunks: number
  writtenInMs: number
  /** From the last write's acknowledgement until the region's index held every chunk. */
  completeAfterMs: Map<Region, number>
}

/** Key of the nth cached page. */
export function pageKey(n: number): string {
  return `page-${n % pageCount}`
}

/** Writes the corpus and some cache entries at us-east-1, and watches every region's index fill. */
export async function fillIndexes(demo: Demo): Promise<Filled> {
  const { report, corpus, services } = demo
  report.step(`Write it at ${primary}, and watch every region's index fill`)
  const writer = serviceIn(services, primary).nearest.session()
  const index = docs(writer)
  await index.ensureIndex({
    dimensions,
    metric: 'cosine',
    algorithm: 'hnsw',
    attributes: { package: 'tag', title: 'text', path: 'tag' },
  })
  const total = corpus.chunks.length
  const start = performance.now()
  const fills = services.map((service) => new Fill(service, total))
  const watching = watch(demo, fills)
  // When the write fails as well, its error is the one to hear of.
  watching.catch(() => {})
  await index.upsert(chunksOf(corpus), { signal: demo.signal })
  const written = performance.now()
  await pages(writer).setMany(
    Array.from({ length: pageCount }, (_, n) => [pageKey(n), Buffer.alloc(pageBytes, `${n} `)] as const),
  )
  await watching
  const end = Math.max(...fills.map((fill) => fill.completeAt))
  report.table(
    ['region', 'chunks', `filling, over ${seconds(end - start)}`, 'complete after the last one was written'],
    fills.map((fill) => [
      fill.region,
      count(fill.chunks),
      sparkline(fill.curve({ from: start, to: end, points: 30 })),
      ms(Math.max(fill.completeAt - written, 0)),
    ]),
  )
  report.line(
    `${count(total)} chunks written in ${seconds(written - start)}; and ${count(pageCount)} cache entries of 1 KiB`,
  )
  return {
    chunks: total,
    writtenInMs: written - start,
    completeAfterMs: new Map(fills.map((fill) => [fill.region, Math.max(fill.completeAt - written, 0)])),
  }
}

function chunksOf(corpus: PreparedCorpus): ChunkInput[] {
  return corpus.chunks.map(({ id, text, package: name, title, path }, i) => ({
    id,
    text,
    vector: corpus.vectors[i] ?? new Float32Array(dimensions),
    metadata: { package: name, title, path },
  }))
}

async function watch(demo: Demo, fills: readonly Fill[]): Promise<void> {
  const total = demo.corpus.chunks.length
  const progress = new Progress(
    fills.map((fill) => fill.region),
    total,
  )
  try {
    await poll(
      async () => {
        await Promise.all(fills.map((fill) => fill.look()))
        for (const fill of fills) progress.update(fill.region, fill.chunks)
        return fills.every((fill) => fill.isComplete) || undefined
      },
      {
        timeoutMs: 60_000,
        everyMs: 20,
        explain: () => `The indexes did not fill: ${fills.map((fill) => fill.describe()).join(', ')}.`,
        signal: demo.signal,
      },
    )
  } finally {
    progress.stop()
  }
}

/** One region's index, as that region's own sidecar sees it. */
class Fill {
  readonly region: Region
  readonly #index: VectorIndex
  readonly #total: number
  readonly #history: { at: number; chunks: number }[] = []
  completeAt = Number.NaN

  constructor(service: Service, total: number) {
    this.region = service.region
    this.#index = docs(service.nearest)
    this.#total = total
  }

  get chunks(): number {
    return this.#history.at(-1)?.chunks ?? 0
  }

  get isComplete(): boolean {
    return !Number.isNaN(this.completeAt)
  }

  async look(): Promise<void> {
    if (this.isComplete) return
    const own = await this.#own()
    const at = performance.now()
    this.#history.push({ at, chunks: own?.chunks ?? 0 })
    if (own?.chunks === this.#total && own.pending === 0) this.completeAt = at
  }

  /** How full it was at equal steps of time, each from 0 to 1. */
  curve(span: { from: number; to: number; points: number }): number[] {
    return Array.from({ length: span.points }, (_, i) => {
      const at = span.from + ((i + 1) / span.points) * (span.to - span.from)
      return (this.#history.findLast((look) => look.at <= at)?.chunks ?? 0) / this.#total
    })
  }

  describe(): string {
    return `${this.region} has ${this.chunks} of ${this.#total} chunks`
  }

  async #own(): Promise<RegionalIndex | undefined> {
    try {
      const { regions } = await this.#index.describe()
      return regions.find((copy) => copy.region === this.region)
    } catch (error) {
      // The definition itself has not arrived here yet.
      if (error instanceof PerigeeError && error.reason === 'INDEX_NOT_FOUND') return undefined
      throw error
    }
  }
}
