import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { DEFAULT_LIMITS } from '@perigee/core'
import { VectorSchema } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { refusedAs } from '../../refused-as.spec-support.ts'
import { checkVectorForm, packVector, type VectorSpace } from './vector.ts'

const f32 = (...numbers: number[]) => new Uint8Array(Float32Array.from(numbers).buffer)
const f64 = (...numbers: number[]) => new Uint8Array(Float64Array.from(numbers).buffer)
const floats = (...values: number[]) => vector({ values: { case: 'floats', value: { values } } })
const float32 = (bytes: Uint8Array) => vector({ values: { case: 'float32Le', value: bytes } })
const float64 = (bytes: Uint8Array) => vector({ values: { case: 'float64Le', value: bytes } })
const vector = (init: MessageInitShape<typeof VectorSchema>) => create(VectorSchema, init)

const space: VectorSpace = { name: 'docs', dimensions: 3, metric: 'COSINE', vectorType: 'FLOAT32' }
const wide: VectorSpace = { ...space, vectorType: 'FLOAT64' }

describe('the form of a vector', () => {
  const form = (v: ReturnType<typeof vector> | undefined) => () =>
    checkVectorForm('vector', v, DEFAULT_LIMITS)

  it.each([
    ['nothing', undefined, 'INVALID_FIELD vector'],
    ['no values chosen', vector({}), 'INVALID_FIELD vector'],
    ['no floats', floats(), 'INVALID_FIELD vector'],
    ['no bytes', float32(new Uint8Array()), 'INVALID_FIELD vector'],
    ['torn binary32', float32(new Uint8Array(7)), 'INVALID_FIELD vector.float32_le'],
    ['torn binary64', float64(new Uint8Array(12)), 'INVALID_FIELD vector.float64_le'],
    ['4,096 dimensions', float32(new Uint8Array(4096 * 4)), 'taken'],
    ['4,097 dimensions', float32(new Uint8Array(4097 * 4)), 'TOO_LARGE vector'],
  ])('with %s', (_, v, outcome) => {
    expect(refusedAs(form(v))).toBe(outcome)
  })
})

describe('a vector for an index', () => {
  it.each([
    ['two dimensions in three', floats(1, 2), space, 'DIMENSION_MISMATCH vector'],
    ['four dimensions in three', float64(f64(1, 2, 3, 4)), space, 'DIMENSION_MISMATCH vector'],
    ['NaN', float32(f32(1, Number.NaN, 3)), space, 'INVALID_FIELD vector'],
    ['an infinity', floats(1, 2, Number.NEGATIVE_INFINITY), space, 'INVALID_FIELD vector'],
    ['NaN as binary64', float64(f64(1, Number.NaN, 3)), wide, 'INVALID_FIELD vector'],
    ['a number that binary32 has not', float64(f64(1e39, 0, 0)), space, 'INVALID_FIELD vector'],
    ['that number where it fits', float64(f64(1e39, 0, 0)), wide, 'taken'],
    ['zero under cosine', floats(0, -0, 0), space, 'INVALID_FIELD vector'],
    ['zero under L2', floats(0, 0, 0), { ...space, metric: 'L2' as const }, 'taken'],
    ['zero under inner product', floats(0, 0, 0), { ...space, metric: 'IP' as const }, 'taken'],
    ['what becomes zero in binary32', float64(f64(1e-60, 0, 0)), space, 'INVALID_FIELD vector'],
    ['what squares to zero in binary32', floats(1e-30, 0, 0), space, 'INVALID_FIELD vector'],
    [
      'what squares to infinity in binary32',
      floats(1e30, 0, 0),
      { ...space, metric: 'L2' as const },
      'INVALID_FIELD vector',
    ],
  ])('with %s', (_, v, where, outcome) => {
    expect(refusedAs(() => packVector('vector', v, where))).toBe(outcome)
  })

  it('is the same bytes, uncopied, when the type fits', () => {
    const bytes = f32(1, 2, 3)
    const packed = packVector('vector', float32(bytes), space)
    expect(packed.buffer).toBe(bytes.buffer)
    expect(packed).toEqual(Buffer.from(bytes))
  })

  it('is converted to the type of the index', () => {
    expect(packVector('vector', floats(1, 2, 3), space)).toEqual(Buffer.from(f32(1, 2, 3)))
    expect(packVector('vector', float64(f64(1, 2, 0.1)), space)).toEqual(Buffer.from(f32(1, 2, 0.1)))
    expect(packVector('vector', float32(f32(1, 2, 3)), wide)).toEqual(Buffer.from(f64(1, 2, 3)))
    expect(packVector('vector', floats(1, 2, 3), wide)).toEqual(Buffer.from(f64(1, 2, 3)))
  })
})
