import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dimensions, Embedder } from './embedder.ts'
import { EmbedderPool } from './embedder-pool.ts'
import { fetchModel } from './model.ts'
import { WordPieces } from './tokenizer.ts'

let embedder: Embedder
let pool: EmbedderPool
beforeAll(async () => {
  const file = await fetchModel()
  embedder = await Embedder.load(file)
  pool = new EmbedderPool(file)
}, 120_000)
afterAll(() => pool?.close())

const dot = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0)

/** Of a vector that was made with the same model outside this project. */
const known = [0.03965, -0.00067, -0.12115, -0.02605, -0.04835, 0.03699]

describe('WordPieces', () => {
  it("gives BERT's own ids", () => {
    // What Hugging Face's bert-base-uncased tokenizer gives for the same text.
    expect(new WordPieces().encode('Hello, wörld! unbelievable', 99)).toEqual([
      101, 7592, 1010, 2088, 999, 23653, 102,
    ])
  })

  it('ends a text that is too long where the model does', () => {
    expect(new WordPieces().encode('to be or not to be', 4)).toEqual([101, 2000, 2022, 102])
  })
})

describe('Embedder', () => {
  it('gives the vectors that the same model gives elsewhere', async () => {
    const vector = await embedder.embed('12.7. Configuration Example')
    expect(vector).toHaveLength(dimensions)
    for (const [i, value] of known.entries()) expect(vector[i]).toBeCloseTo(value, 4)
  })

  it('gives vectors of length one, nearer to each other the nearer the meaning', async () => {
    const [cat, kitten, broker] = await Promise.all(
      ['A cat sleeps on the sofa.', 'The kitten naps on a couch.', 'Restart the message broker.'].map(
        (text) => embedder.embed(text),
      ),
    )
    if (!cat || !kitten || !broker) throw new Error('three texts give three vectors')
    expect(dot(cat, cat)).toBeCloseTo(1, 5)
    expect(dot(cat, kitten)).toBeGreaterThan(dot(cat, broker) + 0.4)
  })

  it('gives a text the same vector on any thread, whatever else is embedded', async () => {
    const texts = ['one', 'a rather longer text about quite another thing', 'three of them', 'and a fourth']
    const alone = await Promise.all(texts.map((text) => embedder.embed(text)))
    const together: Float32Array[] = []
    await pool.embedAll(texts, (index, vector) => {
      together[index] = vector
    })
    expect(together).toEqual(alone)
  })
})
