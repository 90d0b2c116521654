import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { EmbeddingReply, EmbeddingRequest } from './embedding-worker.ts'

/** More threads than this gain little and take 150 MB each. */
const threadsMax = 6

/**
 * Embeds texts on worker threads, which start with the first text and stop with {@link close}.
 *
 * Threads of one text each: on two cores that is a third faster than one text on two threads.
 */
export class EmbedderPool implements AsyncDisposable {
  readonly #modelFile: string
  readonly #threads: EmbedderThread[] = []

  constructor(modelFile: string) {
    this.#modelFile = modelFile
  }

  /** Vectors of `texts`, in no order: each is handed to `onVector` as it comes. */
  async embedAll(
    texts: readonly string[],
    onVector: (index: number, vector: Float32Array) => void,
  ): Promise<void> {
    let next = 0
    const run = async (thread: EmbedderThread) => {
      while (next < texts.length) {
        const index = next++
        onVector(index, await thread.embed(texts[index] ?? ''))
      }
    }
    const count = Math.min(availableParallelism(), threadsMax, texts.length)
    await Promise.all(this.#take(count).map(run))
  }

  async embed(text: string): Promise<Float32Array> {
    const [thread] = this.#take(1)
    if (!thread) throw new Error('The embedder is closed.')
    return thread.embed(text)
  }

  /** Keeps one thread for the questions to come and stops the rest. */
  async shrink(): Promise<void> {
    await Promise.all(this.#threads.splice(1).map((thread) => thread.stop()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #take(count: number): EmbedderThread[] {
    while (this.#threads.length < count) this.#threads.push(new EmbedderThread(this.#modelFile))
    return this.#threads.slice(0, count)
  }
}

class EmbedderThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve(vector: Float32Array): void; reject(error: Error): void }>()
  #lastId = 0

  constructor(modelFile: string) {
    // The same file under the name it has in src and in dist.
    const file = import.meta.url.endsWith('.ts') ? './embedding-worker.ts' : './embedding-worker.js'
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: { modelFile } })
    this.#worker.on('message', (reply: EmbeddingReply) => {
      const caller = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if ('vector' in reply) caller?.resolve(reply.vector)
      else caller?.reject(new Error(`The model could not embed a text: ${reply.error}`))
    })
    this.#worker.on('error', (error) => this.#rejectAll(error as Error))
    this.#worker.on('exit', () => this.#rejectAll(new Error('The embedding thread has stopped.')))
  }

  embed(text: string): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, text } satisfies EmbeddingRequest)
    })
  }

  async stop(): Promise<void> {
    const exited = once(this.#worker, 'exit')
    await this.#worker.terminate()
    await exited
  }

  #rejectAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
