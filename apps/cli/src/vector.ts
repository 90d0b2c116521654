import { readFile } from 'node:fs/promises'
import { Failure } from './failure.ts'

/** Reads a vector as it stands on a command line: a JSON array of numbers. */
export function parseVector(text: string): number[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    parsed = undefined
  }
  if (Array.isArray(parsed) && parsed.length > 0 && parsed.every((x) => typeof x === 'number')) return parsed
  throw Failure.usage('--vector is not a JSON array of numbers', "write it like --vector '[0.12, -0.5, …]'")
}

/** Reads a vector from a file of packed little-endian numbers: float32, or float64 if the size says so. */
export async function readVectorFile(path: string, dimensions: number): Promise<Float32Array | Float64Array> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw Failure.usage(
      `cannot read the vector from ${path}: ${cause.code ?? cause.message}`,
      'give a readable file',
    )
  })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length === dimensions * 4) {
    return Float32Array.from({ length: dimensions }, (_, i) => view.getFloat32(i * 4, true))
  }
  if (bytes.length === dimensions * 8) {
    return Float64Array.from({ length: dimensions }, (_, i) => view.getFloat64(i * 8, true))
  }
  throw Failure.usage(
    `${path} holds ${bytes.length} bytes, and the index has ${dimensions} dimensions`,
    `the file must hold ${dimensions * 4} bytes, which are ${dimensions} little-endian float32 (or twice that, float64)`,
  )
}
