import { type Input, K } from './input.ts'

/** Distances that differ by less than float32's rounding are ties. */
const TIE = 1e-6

/** By query, how far its K-th nearest chunk is, compared with every one: a hit no farther is one of the nearest. */
export function farthestOfNearest({ chunks, queries }: Input): readonly number[] {
  const lengths = chunks.map(({ vector }) => lengthOf(vector))
  return queries.map((query) => {
    const length = lengthOf(query)
    const distances = Float64Array.from(chunks, ({ vector }, i) => {
      return 1 - dot(query, vector) / (length * (lengths[i] ?? 1))
    })
    distances.sort()
    return (distances[K - 1] ?? Number.POSITIVE_INFINITY) + TIE
  })
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(dot(vector, vector))
}
