import { readFile } from 'node:fs/promises'
import * as onnx from 'onnxruntime-web'
import { WordPieces } from './tokenizer.ts'

export const dimensions = 384

/** What the model was trained to read; the rest of a longer text is left out. */
const tokensMax = 256

/**
 * Embeds text with all-MiniLM-L6-v2 (int8), on this thread.
 *
 * One text at a time: the model's activations are quantised over the whole batch, so a text's vector would
 * depend on its neighbours in it, and a cached vector would not be the one computed afresh.
 */
export class Embedder {
  readonly #session: onnx.InferenceSession
  readonly #pieces = new WordPieces()

  private constructor(session: onnx.InferenceSession) {
    this.#session = session
  }

  /** Loads the ONNX file `modelFile`. */
  static async load(modelFile: string): Promise<Embedder> {
    onnx.env.wasm.numThreads = 1
    onnx.env.logLevel = 'error'
    return new Embedder(await onnx.InferenceSession.create(await readFile(modelFile)))
  }

  /** A vector of length one and 384 dimensions. */
  async embed(text: string): Promise<Float32Array> {
    const ids = this.#pieces.encode(text, tokensMax)
    const tensor = (values: BigInt64Array) => new onnx.Tensor('int64', values, [1, ids.length])
    const { last_hidden_state: states } = await this.#session.run({
      input_ids: tensor(BigInt64Array.from(ids, BigInt)),
      attention_mask: tensor(new BigInt64Array(ids.length).fill(1n)),
      token_type_ids: tensor(new BigInt64Array(ids.length)),
    })
    if (!(states?.data instanceof Float32Array)) {
      throw new Error(
        'The model file has no last_hidden_state output. Delete it and let the demo fetch it again.',
      )
    }
    return meanOf(states.data, ids.length)
  }
}

/** The mean of `rows` vectors laid end to end, scaled to length one. */
function meanOf(values: Float32Array, rows: number): Float32Array {
  const sums = new Float64Array(dimensions)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < dimensions; i++) sums[i] = (sums[i] ?? 0) + (values[row * dimensions + i] ?? 0)
  }
  const norm = Math.hypot(...sums)
  return Float32Array.from(sums, (sum) => sum / norm)
}
