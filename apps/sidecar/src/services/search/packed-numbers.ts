import { endianness } from 'node:os'
import type { IndexDefinition } from '../../redis/index-definition.ts'

const BYTES = { FLOAT32: 4, FLOAT64: 8 } as const
const LITTLE_ENDIAN = endianness() === 'LE'

let memory = new ArrayBuffer(8 * 1024)

/**
 * The numbers of a vector that is packed little-endian, wherever it lies: in memory that the next call uses again, since a
 * batch has hundreds of vectors of which nothing is kept.
 */
export function packedNumbers(
  packed: Buffer,
  type: IndexDefinition['vectorType'],
): Float32Array | Float64Array {
  const { length } = packed
  if (length > memory.byteLength) memory = new ArrayBuffer(2 * length)
  const bytes = Buffer.from(memory, 0, length)
  packed.copy(bytes)
  const count = Math.floor(length / BYTES[type])
  if (!LITTLE_ENDIAN) type === 'FLOAT32' ? bytes.swap32() : bytes.swap64()
  return type === 'FLOAT32' ? new Float32Array(memory, 0, count) : new Float64Array(memory, 0, count)
}
