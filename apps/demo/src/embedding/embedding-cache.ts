import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

const hashBytes = 32

/**
 * Vectors by the hash of the text they were made of, in one file of fixed-size records: SHA-256, then
 * little-endian float32 values.
 *
 * The file is only appended to. A record cut short by a crash, or no longer of length one, is ignored and made
 * again.
 */
export class EmbeddingCache {
  readonly #file: string
  readonly #vectors = new Map<string, Float32Array>()
  #recordsInFile = 0
  #unsaved: string[] = []

  private constructor(file: string) {
    this.#file = file
  }

  static async open(file: string, options: { dimensions: number }): Promise<EmbeddingCache> {
    const cache = new EmbeddingCache(file)
    const bytes = await readFile(file).catch(emptyIfAbsent)
    const recordBytes = hashBytes + options.dimensions * 4
    cache.#recordsInFile = Math.floor(bytes.length / recordBytes)
    for (let record = 0; record < cache.#recordsInFile; record++) {
      const start = record * recordBytes
      const hash = bytes.toString('hex', start, start + hashBytes)
      const vector = Float32Array.from({ length: options.dimensions }, (_, i) =>
        bytes.readFloatLE(start + hashBytes + i * 4),
      )
      if (Math.abs(Math.hypot(...vector) - 1) < 1e-3) cache.#vectors.set(hash, vector)
    }
    // Whatever follows a torn or broken record could not be told apart from it.
    const sound = bytes.length === cache.#vectors.size * recordBytes
    if (!sound) await cache.#rewrite([...cache.#vectors.keys()])
    return cache
  }

  get(text: string): Float32Array | undefined {
    return this.#vectors.get(hashOf(text))
  }

  /** Remembers a vector; it reaches the file with the next {@link save}. */
  set(text: string, vector: Float32Array): void {
    const hash = hashOf(text)
    if (this.#vectors.has(hash)) return
    this.#vectors.set(hash, vector)
    this.#unsaved.push(hash)
  }

  async save(): Promise<void> {
    const hashes = this.#unsaved
    if (hashes.length === 0) return
    this.#unsaved = []
    await mkdir(dirname(this.#file), { recursive: true })
    await appendFile(this.#file, this.#records(hashes))
    this.#recordsInFile += hashes.length
  }

  /** Forgets the vectors of all texts but these, once the file holds twice as many as that. */
  async keepOnly(texts: readonly string[]): Promise<void> {
    await this.save()
    if (this.#recordsInFile <= 2 * texts.length) return
    await this.#rewrite([...new Set(texts.map(hashOf))].filter((hash) => this.#vectors.has(hash)))
  }

  async #rewrite(hashes: string[]): Promise<void> {
    const scratch = `${this.#file}.${process.pid}`
    await mkdir(dirname(this.#file), { recursive: true })
    await writeFile(scratch, this.#records(hashes))
    await rename(scratch, this.#file)
    this.#recordsInFile = hashes.length
  }

  #records(hashes: string[]): Buffer {
    const parts: Buffer[] = []
    for (const hash of hashes) {
      const vector = this.#vectors.get(hash) ?? new Float32Array()
      const values = Buffer.alloc(vector.length * 4)
      for (const [i, value] of vector.entries()) values.writeFloatLE(value, i * 4)
      parts.push(Buffer.from(hash, 'hex'), values)
    }
    return Buffer.concat(parts)
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function emptyIfAbsent(error: NodeJS.ErrnoException): Buffer {
  if (error.code === 'ENOENT') return Buffer.alloc(0)
  throw error
}
