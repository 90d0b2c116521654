/**
 * Tells whether vectors that bear a model's name may be another's: by their lengths and by where they point.
 *
 * An index's vectors share a direction, more or less; those of another model have one of their own, which in many
 * dimensions is about at right angles to it. But vectors of one batch are alike, too: they are of one text, or of one
 * topic. So a batch counts as far fewer draws than it has vectors. With `r` the share of the variance that all vectors of
 * a batch have in common, the mean of n vectors varies by √(r + (1 − r)/n) times what one vector does; r is taken as a
 * half, and was 0.41 at most among the nearest neighbours of one text (see docs/search.md).
 *
 * A batch departs when its mean lies more than four such deviations from the index's, and, of directions, when it is
 * besides no more like the index's than a random direction is. An index whose vectors share no direction can't tell.
 */
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { packedNumbers } from './packed-numbers.ts'

/** Where an index's vectors point and how long they are, from a sample. */
export interface VectorProfile {
  /** How many vectors it is from. */
  readonly sampled: number
  /** Of unit length; all zero when the vectors cancel each other out. */
  readonly meanDirection: Float64Array
  /** Length of the mean of the vectors scaled to unit length: 0 when they point everywhere, 1 when all in one direction. */
  readonly concentration: number
  /** Cosines of single vectors to the mean direction. */
  readonly alignment: Spread
  readonly norm: Spread
}

interface Spread {
  readonly mean: number
  readonly deviation: number
}

type VectorType = IndexDefinition['vectorType']
type Numbers = Float32Array | Float64Array

/** Fewer vectors than this say nothing of an index. */
export const SAMPLED_MIN = 100
/** Fewer vectors than this say nothing of a batch. */
export const BATCH_MIN = 8

const AXES = 4
const DEVIATIONS = 4
const SHARED_VARIANCE = 0.5
/** Two random directions in d dimensions have a cosine of 0 ± 1/√d. */
const RANDOM_DEVIATIONS = 3
/** Lengths of vectors that were brought to one length differ by rounding, and by what quantising them costs. */
const NORM_TOLERANCE = 0.02

/** The profile of packed vectors; `undefined` when they are too few. */
export function profileOf(vectors: readonly Buffer[], type: VectorType): VectorProfile | undefined {
  if (vectors.length < SAMPLED_MIN) return undefined
  const { mean, norms } = measured(vectors, type)
  const concentration = lengthOf(mean)
  const meanDirection = mean.map((x) => (concentration > 0 ? x / concentration : 0))
  const cosines = vectors.flatMap((packed, i) => {
    const norm = norms[i] ?? 0
    return norm > 0 ? [dot(packedNumbers(packed, type), meanDirection) / norm] : []
  })
  return {
    sampled: vectors.length,
    meanDirection,
    concentration,
    alignment: spreadOf(cosines),
    norm: spreadOf(norms),
  }
}

/**
 * The mean direction's cosines to a few fixed axes, of random signs: the same in every region and version, so that regions,
 * and one region over time, can be compared by a few numbers.
 */
export function bearings({ meanDirection }: VectorProfile): readonly number[] {
  return Array.from({ length: AXES }, (_, axis) => {
    let sum = 0
    for (const [i, x] of meanDirection.entries()) sum += signOf(axis, i) * x
    return sum / Math.sqrt(meanDirection.length || 1)
  })
}

/** One of two, at random, the same for ever: the last bit of a hash (of murmur3's mixer). */
function signOf(axis: number, place: number): number {
  let hash = Math.imul(place * AXES + axis + 1, 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) & 1 ? 1 : -1
}

/** How a batch departs from an index, in words for people; `undefined` when it doesn't, or is too small to say. */
export function departure(
  profile: VectorProfile,
  batch: readonly Buffer[],
  type: VectorType,
): string | undefined {
  if (batch.length < BATCH_MIN) return undefined
  const { norms, ...pointing } = measured(batch, type)
  const ways = [longer(profile, norms), astray(profile, pointing)].filter((way) => way !== undefined)
  return ways.length > 0 ? ways.join('; ') : undefined
}

function longer({ norm }: VectorProfile, norms: readonly number[]): string | undefined {
  const { mean } = spreadOf(norms)
  const allowed = tolerance(norm.deviation, norms.length) + NORM_TOLERANCE * norm.mean
  if (Math.abs(mean - norm.mean) <= allowed) return undefined
  return `its ${norms.length} vectors have a mean length of ${short(mean)}, the index's have ${shown(norm)}`
}

function astray(
  { alignment, meanDirection }: VectorProfile,
  { mean, directions }: { readonly mean: Float64Array; readonly directions: number },
): string | undefined {
  const projection = dot(mean, meanDirection)
  const cosine = projection / (lengthOf(mean) || 1)
  const expected = projection >= alignment.mean - tolerance(alignment.deviation, directions)
  const random = cosine < RANDOM_DEVIATIONS / Math.sqrt(meanDirection.length)
  if (expected || !random) return undefined
  return (
    `its ${directions} vectors point elsewhere: their mean has a cosine of ${short(cosine)} to the index's mean ` +
    `direction, to which the index's own vectors have ${shown(alignment)}`
  )
}

/** How far the mean of a batch may lie from the index's. */
function tolerance(deviation: number, count: number): number {
  return DEVIATIONS * deviation * Math.sqrt(SHARED_VARIANCE + (1 - SHARED_VARIANCE) / count)
}

/** The mean of the vectors scaled to unit length, but for zero ones, and the lengths of all. */
function measured(vectors: readonly Buffer[], type: VectorType) {
  const norms: number[] = []
  let mean = new Float64Array(0)
  let directions = 0
  for (const packed of vectors) {
    const numbers = packedNumbers(packed, type)
    const norm = lengthOf(numbers)
    norms.push(norm)
    if (norm === 0) continue
    if (mean.length === 0) mean = new Float64Array(numbers.length)
    for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] ?? 0) + (numbers[i] ?? 0) / norm
    directions += 1
  }
  return { mean: mean.map((sum) => sum / directions), directions, norms }
}

function dot(a: Numbers, b: Numbers): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}

function lengthOf(vector: Numbers): number {
  return Math.sqrt(dot(vector, vector))
}

function spreadOf(numbers: readonly number[]): Spread {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / (numbers.length || 1)
  const square = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (numbers.length || 1)
  return { mean, deviation: Math.sqrt(square) }
}

function shown({ mean, deviation }: Spread): string {
  return `${short(mean)} ± ${short(deviation)}`
}

function short(number: number): string {
  return String(Number(number.toPrecision(2)))
}
