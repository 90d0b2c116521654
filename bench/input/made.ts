import { DIMENSIONS, type Input } from './input.ts'

const TOPICS = 60
/** How far vectors of one topic lie apart, against the distance between topics. */
const WITHIN = 0.6
const WORDS = 'the nearest point of an orbit where every reader gets its answer from a region close by'.split(
  ' ',
)
const TEXT_WORDS = 120

/** Chunks around topics, about as alike as real ones, the same at every call. */
export function madeInput(chunks: number, queries: number): Input {
  const random = mulberry32(7)
  const topics = Array.from({ length: TOPICS }, () => direction(random))
  const near = () => {
    const topic = topics[Math.floor(random() * TOPICS)] ?? direction(random)
    const own = direction(random)
    return normalised(topic.map((value, i) => value + WITHIN * (own[i] ?? 0)))
  }
  const text = () =>
    Array.from({ length: TEXT_WORDS }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ')
  return {
    name: `${chunks} made chunks`,
    chunks: Array.from({ length: chunks }, (_, i) => ({
      id: `made-${i}`,
      title: `Made ${i}`,
      text: text(),
      vector: near(),
    })),
    queries: Array.from({ length: queries }, near),
  }
}

function direction(random: () => number): Float32Array {
  // The sum of a few even ones is near enough to a normal one.
  const even = () => random() + random() + random() + random() - 2
  return normalised(Float32Array.from({ length: DIMENSIONS }, even))
}

function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

/** Tommy Ettinger's mulberry32: small, and the same everywhere. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
