import { type CorpusChunk, readCorpus } from '../corpus/corpus.ts'
import { embedCorpus } from '../embedding/embed-corpus.ts'
import { dimensions } from '../embedding/embedder.ts'
import { EmbedderPool } from '../embedding/embedder-pool.ts'
import { EmbeddingCache } from '../embedding/embedding-cache.ts'
import { embeddingCacheFile, fetchModel } from '../embedding/model.ts'
import { timed } from '../latencies.ts'
import { count, seconds } from '../terminal/format.ts'
import { Progress } from '../terminal/progress.ts'
import type { Report } from '../terminal/report.ts'

export interface PreparedCorpus extends AsyncDisposable {
  chunks: CorpusChunk[]
  /** Of the chunks, in their order. */
  vectors: Float32Array[]
  /** Embeds a question. */
  embed(text: string): Promise<Float32Array>
}

/** Reads the corpus and embeds what the cache of earlier runs doesn't have. */
export async function prepareCorpus(options: {
  report: Report
  signal: AbortSignal
  root: string
}): Promise<PreparedCorpus> {
  const { report, signal } = options
  signal.throwIfAborted()
  report.step('Embed the documentation of everything installed here')
  const { chunks, documents, packages } = await readCorpus(options.root)
  report.line(
    `${count(chunks.length)} chunks of ${documents} Markdown files, of ${packages} packages and the project itself`,
  )
  const modelFile = await fetchModel({ onProgress: (message) => report.dim(message) })
  const cache = await EmbeddingCache.open(embeddingCacheFile(), { dimensions })
  const pool = new EmbedderPool(modelFile)
  const stop = () => void pool.close()
  signal.addEventListener('abort', stop, { once: true })
  let progress: Progress | undefined
  try {
    const { ms, result } = await timed(() =>
      embedCorpus(chunks, { cache, pool, signal }, (done, total) => {
        progress ??= new Progress(['embedding'], total)
        progress.update('embedding', done)
      }),
    )
    progress?.stop()
    await pool.shrink()
    if (result.fromCache > 0) {
      report.line(`${count(result.fromCache)} embeddings came from the cache of earlier runs`)
      report.dim(embeddingCacheFile())
    }
    if (result.computed > 0) {
      report.line(
        `${count(result.computed)} embedded on this machine with all-MiniLM-L6-v2 (int8) in ${seconds(ms)}; kept for the next run`,
      )
    }
    // The first question would otherwise pay for starting the model.
    await pool.embed('ready')
    return {
      chunks,
      vectors: result.vectors,
      embed: (text) => pool.embed(text),
      async [Symbol.asyncDispose]() {
        signal.removeEventListener('abort', stop)
        await pool.close()
      },
    }
  } catch (error) {
    progress?.stop()
    await pool.close()
    throw signal.aborted ? signal.reason : error
  }
}
