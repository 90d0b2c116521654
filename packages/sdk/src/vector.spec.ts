import { create } from '@bufbuild/protobuf'
import { VectorSchema } from '@perigee/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Vector, vectorFromWire, vectorToWire } from './vector.ts'

const roundTrip = (vector: Vector, asFloat32 = false) =>
  vectorFromWire(create(VectorSchema, vectorToWire(vector, asFloat32)))

describe('a vector', () => {
  it('comes back as it went', () => {
    const same = (vector: Vector) => {
      expect(roundTrip(vector)).toEqual(vector)
    }
    fc.assert(fc.property(fc.float32Array(), same))
    fc.assert(fc.property(fc.float64Array(), same))
  })

  it('of a part of a buffer is that part', () => {
    expect(roundTrip(Float32Array.of(1, 2, 3, 4).subarray(1, 3))).toEqual(Float32Array.of(2, 3))
  })

  it('is not copied on its way out', () => {
    const vector = Float32Array.of(1, 2)
    const { values } = create(VectorSchema, vectorToWire(vector))
    expect((values.value as Uint8Array).buffer).toBe(vector.buffer)
  })

  it('of plain numbers keeps their precision unless the index has less', () => {
    expect(roundTrip([0.1, 2])).toEqual(Float64Array.of(0.1, 2))
    expect(roundTrip([0.1, 2], true)).toEqual(Float32Array.of(0.1, 2))
  })

  it('comes from bytes at any offset', () => {
    const bytes = new Uint8Array(9)
    new DataView(bytes.buffer).setFloat32(1, 1.5, true)
    const value = bytes.subarray(1, 9)
    const wire = create(VectorSchema, { values: { case: 'float32Le', value } })
    expect(vectorFromWire(wire)).toEqual(Float32Array.of(1.5, 0))
  })

  it('is nothing else', () => {
    expect(() => vectorToWire('1,2' as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
