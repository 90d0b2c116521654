import { endianness } from 'node:os'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { VectorSchema, Vector as WireVector } from '@perigee/protocol'
import { invalidArgument } from './perigee-error.ts'

/**
 * An embedding. A `Float32Array` or `Float64Array` is sent as it lies in memory: leave it alone until the call is over.
 */
export type Vector = Float32Array | Float64Array | readonly number[]

const LITTLE_ENDIAN = endianness() === 'LE'

/**
 * A vector on the wire. A plain array goes with the precision of its numbers, unless the index is known to keep
 * float32 anyway.
 */
export function vectorToWire(vector: Vector, arraysAsFloat32 = false): MessageInitShape<typeof VectorSchema> {
  if (vector instanceof Float32Array) return { values: { case: 'float32Le', value: littleEndian(vector) } }
  if (vector instanceof Float64Array) return { values: { case: 'float64Le', value: littleEndian(vector) } }
  if (!Array.isArray(vector)) {
    throw invalidArgument('a vector is a Float32Array, a Float64Array or an array of numbers', 'vector')
  }
  return vectorToWire(arraysAsFloat32 ? Float32Array.from(vector) : Float64Array.from(vector))
}

/** Bytes a vector takes on the wire, at most. */
export function vectorBytes(vector: Vector): number {
  return vector.length * (vector instanceof Float32Array ? 4 : 8) + 16
}

/** A vector from the wire, in an array of its own. */
export function vectorFromWire(wire: WireVector | undefined): Float32Array | Float64Array | undefined {
  switch (wire?.values.case) {
    case 'float32Le':
      return Float32Array.from({ length: wire.values.value.length / 4 }, readerOf(wire.values.value, 4))
    case 'float64Le':
      return Float64Array.from({ length: wire.values.value.length / 8 }, readerOf(wire.values.value, 8))
    case 'floats':
      return Float32Array.from(wire.values.value.values)
    default:
      return undefined
  }
}

function littleEndian(vector: Float32Array | Float64Array): Uint8Array {
  const view = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
  if (LITTLE_ENDIAN) return view
  const swapped = Buffer.from(view)
  return vector instanceof Float32Array ? swapped.swap32() : swapped.swap64()
}

function readerOf(bytes: Uint8Array, width: 4 | 8): (unused: unknown, i: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return width === 4 ? (_, i) => view.getFloat32(i * 4, true) : (_, i) => view.getFloat64(i * 8, true)
}
