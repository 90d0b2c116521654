/**
 * Loads a folder of real chunks through the SDK and measures, in every region, recall@10 against the exact truth,
 * with FLAT and with HNSW defaults, and the sidecars' memory a minute later.
 *
 *     npm run acceptance:recall -- DIR
 *
 * DIR holds chunks.jsonl ({id, title, text}), chunks.f32 and queries.f32 (little-endian float32, 384 a row) and
 * truth.i32 (row numbers of the 100 nearest of each query, nearest first, little-endian int32).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { LocalCluster } from '@perigee/local-cluster'
import type { VectorIndex } from '@perigee/sdk'
import { SingleBar } from 'cli-progress'
import { clientIn } from '../support/client-in.ts'
import { percentile } from '../support/percentile.ts'

const DIMENSIONS = 384
const NEAREST = 100
const K = 10
// Distances that differ by less than float32's rounding are ties.
const TIE = 1e-6
const MODEL = { id: 'sentence-transformers/all-MiniLM-L6-v2', revision: 'int8' }
const GOALS = { flat: 1, hnsw: 0.95 } as const
const RSS_MAX_MIB = 160

interface Row {
  readonly id: string
  readonly title: string
  readonly text: string
}

interface Data {
  readonly rows: readonly Row[]
  readonly vectors: readonly Float32Array[]
  readonly queries: readonly Float32Array[]
  /** Row numbers of the nearest, by query. */
  readonly truth: readonly Int32Array[]
}

async function load(folder: string): Promise<Data> {
  const bytes = async (name: string) => new Uint8Array(await readFile(join(folder, name))).buffer
  const lines = (await readFile(join(folder, 'chunks.jsonl'), 'utf8')).trim().split('\n')
  const split = <A extends Float32Array | Int32Array>(all: A, width: number) =>
    Array.from({ length: all.length / width }, (_, i) => all.subarray(i * width, (i + 1) * width) as A)
  return {
    rows: lines.map((line) => JSON.parse(line)),
    vectors: split(new Float32Array(await bytes('chunks.f32')), DIMENSIONS),
    queries: split(new Float32Array(await bytes('queries.f32')), DIMENSIONS),
    truth: split(new Int32Array(await bytes('truth.i32')), NEAREST),
  }
}

async function fill(index: VectorIndex, data: Data, algorithm: 'flat' | 'hnsw'): Promise<void> {
  await index.ensureIndex({ dimensions: DIMENSIONS, algorithm })
  const bar = new SingleBar({
    format: `${algorithm} {bar} {value}/{total} chunks`,
    noTTYOutput: true,
    notTTYSchedule: 5_000,
  })
  bar.start(data.rows.length, 0)
  const chunks = data.rows.map(({ id, title, text }, i) => {
    const vector = data.vectors[i]
    if (!vector) throw new Error(`no vector of ${id}`)
    return { id, text, vector, metadata: { title } }
  })
  await index.upsert(chunks, { onProgress: ({ upserted }) => bar.update(upserted) })
  bar.stop()
}

/** Share of the ten nearest that a search finds; a hit as near as the tenth counts, whichever of a tie it is. */
async function recall(
  index: VectorIndex,
  data: Data,
): Promise<{ recall: number; p50Ms: number; region: string }> {
  const took: number[] = []
  let found = 0
  let region = ''
  for (const [q, query] of data.queries.entries()) {
    const tenth = data.vectors[data.truth[q]?.[K - 1] ?? -1]
    if (!tenth) throw new Error(`no truth of query ${q}`)
    const farthest = distance(query, tenth) + TIE
    const from = performance.now()
    const hits = await index.search(query, { k: K, view: 'id' })
    took.push(performance.now() - from)
    if (hits.receipt.fallback) throw new Error(`${hits.receipt.region} answered for another region`)
    region = hits.receipt.region
    found += hits.filter((hit) => (hit.distance ?? Number.POSITIVE_INFINITY) <= farthest).length
  }
  return { recall: found / (data.queries.length * K), p50Ms: percentile(took, 0.5), region }
}

function distance(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0]
    dot += x * y
    aa += x * x
    bb += y * y
  }
  return 1 - dot / Math.sqrt(aa * bb)
}

async function rssMib(pid: number): Promise<number> {
  const kib = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}

const folder = process.argv[2]
if (!folder) throw new Error('say which folder holds the data: npm run acceptance:recall -- DIR')
const data = await load(folder)
await using cluster = await LocalCluster.start()
const failures: string[] = []

for (const algorithm of ['flat', 'hnsw'] as const) {
  await using writer = await clientIn(cluster, 'us-east-1')
  const session = writer.session()
  const from = performance.now()
  await fill(session.index(algorithm, { model: MODEL }), data, algorithm)
  const wroteMs = performance.now() - from
  console.log(`${algorithm}: ${data.rows.length} chunks written in ${(wroteMs / 1000).toFixed(1)} s`)
  for (const { name } of cluster.state().regions) {
    await using reader = await clientIn(cluster, name)
    const index = reader.index(algorithm, { model: MODEL })
    for (;;) {
      const own = (await index.describe()).regions.find((r) => r.region === name)
      if (own?.state === 'serving' && own.pending === 0 && own.chunks === data.rows.length) break
      await pause(200)
    }
    const filledMs = performance.now() - from
    const measured = await recall(index, data)
    const ok = measured.recall >= GOALS[algorithm] && measured.region === name
    const line = `${algorithm} ${name}: recall@10 ${measured.recall.toFixed(4)}, search p50 ${measured.p50Ms.toFixed(1)} ms, complete after ${(filledMs / 1000).toFixed(1)} s`
    console.log(line)
    if (!ok) failures.push(line)
  }
}

await pause(60_000)
for (const { name, pids } of cluster.state().regions) {
  if (!pids.sidecar) throw new Error(`${name}'s sidecar is gone`)
  const mib = await rssMib(pids.sidecar)
  const line = `sidecar of ${name}: ${mib.toFixed(0)} MiB RSS, 60 s after ${2 * data.rows.length} chunks were indexed`
  console.log(line)
  if (mib > RSS_MAX_MIB) failures.push(line)
}

if (failures.length > 0) {
  console.error(`\nnot as promised:\n${failures.join('\n')}`)
  process.exitCode = 1
}
