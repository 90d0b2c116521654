import { type CorpusChunk, embeddedText } from '../corpus/corpus.ts'
import type { EmbedderPool } from './embedder-pool.ts'
import type { EmbeddingCache } from './embedding-cache.ts'

/** Saved this often, so that an interrupted first run loses little. */
const saveEvery = 100

export interface EmbeddedCorpus {
  /** In the order of the chunks. */
  vectors: Float32Array[]
  fromCache: number
  computed: number
}

/** Vectors of all chunks: from the cache where it has them, else computed and then kept there. */
export async function embedCorpus(
  chunks: readonly CorpusChunk[],
  tools: { cache: EmbeddingCache; pool: EmbedderPool; signal: AbortSignal },
  onProgress: (done: number, total: number) => void,
): Promise<EmbeddedCorpus> {
  const { cache, pool, signal } = tools
  const texts = chunks.map(embeddedText)
  // Long ones first, so that no thread is left alone with one at the end.
  const missing = [...new Set(texts.filter((text) => !cache.get(text)))].sort((a, b) => b.length - a.length)
  let done = 0
  let saving = Promise.resolve()
  await pool.embedAll(missing, (index, vector) => {
    signal.throwIfAborted()
    cache.set(missing[index] ?? '', vector)
    done += 1
    if (done % saveEvery === 0) saving = saving.then(() => cache.save())
    onProgress(done, missing.length)
  })
  await saving
  await cache.keepOnly(texts)
  const vectors = texts.map((text) => {
    const vector = cache.get(text)
    if (!vector) throw new Error(`The embedding of "${text.slice(0, 60)}…" is missing. Run the demo again.`)
    return vector
  })
  return { vectors, fromCache: texts.length - missing.length, computed: missing.length }
}
