import { parentPort, workerData } from 'node:worker_threads'
import { Embedder } from './embedder.ts'

export interface EmbeddingRequest {
  id: number
  text: string
}

export type EmbeddingReply = { id: number; vector: Float32Array } | { id: number; error: string }

// Runs in a worker thread: embeds what it is sent, in order.
if (parentPort) {
  const port = parentPort
  const embedder = Embedder.load((workerData as { modelFile: string }).modelFile)
  // An unreadable model is reported with each request, not as an unhandled rejection.
  embedder.catch(() => {})
  port.on('message', ({ id, text }: EmbeddingRequest) => {
    embedder
      .then((ready) => ready.embed(text))
      .then(
        (vector) => port.postMessage({ id, vector } satisfies EmbeddingReply, [vector.buffer as ArrayBuffer]),
        (error: Error) => port.postMessage({ id, error: error.message } satisfies EmbeddingReply),
      )
  })
}
