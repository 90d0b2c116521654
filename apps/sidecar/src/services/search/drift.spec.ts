import { expect, it } from 'vitest'
import { BATCH_MIN, bearings, departure, profileOf, SAMPLED_MIN, type VectorProfile } from './drift.ts'

const DIMENSIONS = 128
const TOPICS = 40

/** Numbers of a normal distribution, the same for the same seed. */
function normal(seed: number): () => number {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

function direction(random: () => number): number[] {
  const vector = Array.from({ length: DIMENSIONS }, random)
  const length = Math.hypot(...vector)
  return vector.map((x) => x / length)
}

/**
 * A stand-in for an embedding model: what all its vectors share, what those of a topic share, and what is each one's own,
 * in the proportions of a real one (concentration 0.4).
 */
function model(seed: number, { shared = 0.42, length = 1 } = {}) {
  const random = normal(seed)
  const common = direction(random)
  const topics = Array.from({ length: TOPICS }, () => direction(random))
  return (topic: number): Buffer => {
    const own = direction(random)
    const mixed = common.map((c, i) => shared * c + 0.6 * (topics[topic]?.[i] ?? 0) + 0.65 * (own[i] ?? 0))
    const norm = Math.hypot(...mixed)
    return Buffer.from(Float32Array.from(mixed, (x) => (x / norm) * length).buffer)
  }
}

const many = (make: (topic: number) => Buffer, count: number, topic = (i: number) => i % TOPICS) =>
  Array.from({ length: count }, (_, i) => make(topic(i)))

function profile(vectors: readonly Buffer[]): VectorProfile {
  return profileOf(vectors, 'FLOAT32') as VectorProfile
}

it('warns of no batch of the same model, be it of one topic or of many', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const make = model(seed)
    const index = profile(many(make, 256))
    expect(index.concentration).toBeGreaterThan(0.3)
    for (const count of [8, 32, 200]) {
      for (let topic = 0; topic < TOPICS; topic++) {
        expect(
          departure(
            index,
            many(make, count, () => topic),
            'FLOAT32',
          ),
        ).toBeUndefined()
      }
      expect(departure(index, many(make, count), 'FLOAT32')).toBeUndefined()
    }
  }
})

it("warns of another model's batch, be it of one topic or of many", () => {
  for (let seed = 1; seed <= 3; seed++) {
    const index = profile(many(model(seed), 256))
    const other = model(seed + 100)
    for (const count of [16, 200]) {
      for (let topic = 0; topic < TOPICS; topic++) {
        expect(
          departure(
            index,
            many(other, count, () => topic),
            'FLOAT32',
          ),
        ).toMatch('point elsewhere')
      }
      expect(departure(index, many(other, count), 'FLOAT32')).toMatch('point elsewhere')
    }
  }
})

it('warns of vectors of another length, and not of rounding', () => {
  const index = profile(many(model(1), 256))
  expect(departure(index, many(model(1, { length: 1.01 }), 50), 'FLOAT32')).toBeUndefined()
  expect(departure(index, many(model(1, { length: 1.5 }), 50), 'FLOAT32')).toBe(
    "its 50 vectors have a mean length of 1.5, the index's have 1 ± " +
      String(Number(index.norm.deviation.toPrecision(2))),
  )
})

it('bears lengths that vary, and warns of those that lie far outside', () => {
  const random = normal(7)
  const make = model(1)
  const scaled = (by: number) => (vector: Buffer) =>
    Buffer.from(
      new Float32Array(vector.buffer, vector.byteOffset, DIMENSIONS).map(
        (x) => x * by * Math.exp(random() / 4),
      ).buffer,
    )
  const index = profile(many(make, 256).map(scaled(5)))
  for (let i = 0; i < 50; i++) {
    expect(departure(index, many(make, 20).map(scaled(5)), 'FLOAT32')).toBeUndefined()
  }
  expect(departure(index, many(make, 20).map(scaled(15)), 'FLOAT32')).toMatch('mean length')
})

it('says nothing of few vectors, nor of an index whose vectors point everywhere', () => {
  expect(profileOf(many(model(1), SAMPLED_MIN - 1), 'FLOAT32')).toBeUndefined()
  const index = profile(many(model(1), 256))
  expect(departure(index, many(model(2), BATCH_MIN - 1), 'FLOAT32')).toBeUndefined()
  const everywhere = profile(many(model(1, { shared: 0 }), 256))
  expect(everywhere.concentration).toBeLessThan(0.2)
  expect(departure(everywhere, many(model(2, { shared: 0 }), 100), 'FLOAT32')).toBeUndefined()
})

it('takes FLOAT64 alike, and zero vectors for ones without direction', () => {
  const doubles = (vectors: readonly Buffer[]) =>
    vectors.map((v) =>
      Buffer.from(Float64Array.from(new Float32Array(v.buffer, v.byteOffset, DIMENSIONS)).buffer),
    )
  const vectors = many(model(1), 256)
  const index = profileOf(doubles(vectors), 'FLOAT64') as VectorProfile
  expect(index.concentration).toBeCloseTo(profile(vectors).concentration, 6)
  expect(departure(index, doubles(many(model(2), 50)), 'FLOAT64')).toMatch('point elsewhere')
  const zeros = Array.from({ length: 200 }, () => Buffer.alloc(DIMENSIONS * 4))
  expect(profile(zeros)).toMatchObject({ concentration: 0, norm: { mean: 0, deviation: 0 } })
  expect(departure(profile(zeros), many(model(2), 50), 'FLOAT32')).toMatch('mean length')
})

it('gives bearings that are close for samples of one index and apart for another model', () => {
  const make = model(1)
  const [a, b, other] = [
    profile(many(make, 256)),
    profile(many(make, 256)),
    profile(many(model(2), 256)),
  ].map(bearings)
  const apart = (x: readonly number[] = [], y: readonly number[] = []) =>
    Math.max(...x.map((value, i) => Math.abs(value - (y[i] ?? 0))))
  expect(apart(a, b)).toBeLessThan(0.05)
  expect(apart(a, other)).toBeGreaterThan(0.05)
})
