import { endianness } from 'node:os'
import type { Limits } from '@perigee/core'
import type { Vector } from '@perigee/protocol'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { invalidField, refusal, tooLarge } from '../../status-error.ts'

/** Where vectors go: what an index demands of them. */
export type VectorSpace = Pick<IndexDefinition, 'name' | 'dimensions' | 'metric' | 'vectorType'>

const LITTLE_ENDIAN = endianness() === 'LE'
const BYTES = { FLOAT32: 4, FLOAT64: 8 } as const

/** A quarter of the largest number: so that the squared distance of two vectors is one, too. */
const SQUARE_MAX = { FLOAT32: 3.4028234663852886e38 / 4, FLOAT64: Number.MAX_VALUE / 4 } as const

/** Below the smallest normal number, squares lose their digits and norms become zero. */
const SQUARE_MIN = { FLOAT32: 1.1754943508222875e-38, FLOAT64: 2.2250738585072014e-308 } as const

/**
 * Refuses a vector that no index would take: missing, without values, of torn bytes, of too many dimensions.
 */
export function checkVectorForm(field: string, vector: Vector | undefined, limits: Limits): Vector {
  if (!vector) throw invalidField(field, 'is missing')
  const dimensions = dimensionsOf(field, vector)
  if (dimensions === 0) throw invalidField(field, 'has no values')
  if (dimensions > limits.dimensionsMax) {
    throw tooLarge(field, `has ${dimensions} dimensions, at most ${limits.dimensionsMax} are taken`)
  }
  return vector
}

/**
 * A vector packed little-endian in the index's type, as RediSearch takes it. Bytes of that type stay where they are; they
 * then share the request's memory.
 *
 * @throws StatusError DIMENSION_MISMATCH; INVALID_FIELD for NaN, infinities, and what the index's type and metric can't
 *   measure: a zero vector under cosine, numbers that overflow.
 */
export function packVector(field: string, vector: Vector, space: VectorSpace): Buffer {
  const dimensions = dimensionsOf(field, vector)
  if (dimensions !== space.dimensions) throw dimensionMismatch(field, dimensions, space)
  const packed = convert(vector, space.vectorType, dimensions)
  checkNumbers(field, packed, space)
  return packed
}

function dimensionsOf(field: string, { values }: Vector): number {
  switch (values.case) {
    case 'floats':
      return values.value.values.length
    case 'float32Le':
      return wholeCount(`${field}.float32_le`, values.value, BYTES.FLOAT32)
    case 'float64Le':
      return wholeCount(`${field}.float64_le`, values.value, BYTES.FLOAT64)
    default:
      throw invalidField(field, 'must have exactly one of floats, float32_le, float64_le')
  }
}

function wholeCount(field: string, bytes: Uint8Array, each: number): number {
  if (bytes.length % each === 0) return bytes.length / each
  throw invalidField(field, `has ${bytes.length} bytes, which isn't a multiple of ${each}`)
}

function dimensionMismatch(field: string, dimensions: number, space: VectorSpace) {
  const description = `has ${dimensions} dimensions, index ${space.name} has ${space.dimensions}`
  return refusal(
    'DIMENSION_MISMATCH',
    `${field} ${description}; use the model that the index is pinned to.`,
    {
      fields: [{ field, description }],
      metadata: { dimensions: String(dimensions), indexDimensions: String(space.dimensions) },
    },
  )
}

function convert({ values }: Vector, type: VectorSpace['vectorType'], dimensions: number): Buffer {
  if (values.case === 'float32Le' && type === 'FLOAT32') return bufferOf(values.value)
  if (values.case === 'float64Le' && type === 'FLOAT64') return bufferOf(values.value)
  const read = reader(values)
  const packed = Buffer.allocUnsafe(dimensions * BYTES[type])
  for (let i = 0; i < dimensions; i++) {
    if (type === 'FLOAT32') packed.writeFloatLE(read(i), i * 4)
    else packed.writeDoubleLE(read(i), i * 8)
  }
  return packed
}

function reader(values: Vector['values']): (index: number) => number {
  switch (values.case) {
    case 'floats': {
      const numbers = values.value.values
      return (index) => numbers[index] ?? Number.NaN
    }
    case 'float32Le': {
      const bytes = bufferOf(values.value)
      return (index) => bytes.readFloatLE(index * 4)
    }
    case 'float64Le': {
      const bytes = bufferOf(values.value)
      return (index) => bytes.readDoubleLE(index * 8)
    }
    default:
      return () => Number.NaN
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Where vectors are copied to be looked at: numbers in place are read several times as fast as out of bytes. */
let aligned = new ArrayBuffer(32 * 1024)

/** The numbers of a packed vector, until the next one is asked for. */
function numbersOf(packed: Buffer, type: VectorSpace['vectorType']): Float32Array | Float64Array {
  if (aligned.byteLength < packed.length) aligned = new ArrayBuffer(2 * packed.length)
  const bytes = Buffer.from(aligned, 0, packed.length)
  packed.copy(bytes)
  if (!LITTLE_ENDIAN) type === 'FLOAT32' ? bytes.swap32() : bytes.swap64()
  const count = packed.length / BYTES[type]
  return type === 'FLOAT32' ? new Float32Array(aligned, 0, count) : new Float64Array(aligned, 0, count)
}

function checkNumbers(field: string, packed: Buffer, space: VectorSpace): void {
  const { vectorType, metric } = space
  const numbers = numbersOf(packed, vectorType)
  let square = 0
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] as number
    if (!Number.isFinite(number)) {
      throw invalidField(field, `has ${number} at place ${i} (as ${vectorType}); it must be finite`)
    }
    square += number * number
  }
  if (square > SQUARE_MAX[vectorType]) {
    throw invalidField(field, `is too long to measure as ${vectorType}; scale it down`)
  }
  if (metric === 'COSINE' && square < SQUARE_MIN[vectorType]) {
    throw invalidField(field, 'is zero, or too near it: under METRIC_COSINE it has no direction')
  }
}
