import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { madeInput } from './made.ts'

/** Dimensions of all vectors. */
export const DIMENSIONS = 384
/** Hits that are asked for. */
export const K = 10
const QUERIES_MAX = 200

/** Where input comes from: JSON. */
export interface InputSource {
  /** A folder with chunks.jsonl ({id, title, text}), chunks.f32 and queries.f32 (little-endian float32); absent: made. */
  readonly folder?: string
  /** How many of its chunks, at most. */
  readonly chunks: number
}

/** A chunk as it is written. */
export interface InputChunk {
  readonly id: string
  readonly title: string
  readonly text: string
  readonly vector: Float32Array
}

export interface Input {
  /** What it is, for the report. */
  readonly name: string
  readonly chunks: readonly InputChunk[]
  readonly queries: readonly Float32Array[]
}

/** The folder that is given, or that lies beside the repository; undefined when there is none. */
export function findFolder(given: string | undefined, beside: string): string | undefined {
  const folder = given ?? beside
  if (existsSync(join(folder, 'chunks.f32'))) return folder
  if (given !== undefined) throw new Error(`${given} has no chunks.f32`)
  return undefined
}

export async function loadInput({ folder, chunks: max }: InputSource): Promise<Input> {
  if (folder === undefined) return madeInput(max, QUERIES_MAX)
  const lines = (await readFile(join(folder, 'chunks.jsonl'), 'utf8')).trim().split('\n').slice(0, max)
  const vectors = await readVectors(join(folder, 'chunks.f32'), max)
  const chunks = lines.map((line, i) => {
    const { id, title, text } = JSON.parse(line) as Omit<InputChunk, 'vector'>
    const vector = vectors[i]
    if (!vector) throw new Error(`${folder} has no vector of ${id}`)
    return { id, title, text, vector }
  })
  return {
    name: `${chunks.length} real chunks`,
    chunks,
    queries: await readVectors(join(folder, 'queries.f32'), QUERIES_MAX),
  }
}

async function readVectors(file: string, max: number): Promise<Float32Array[]> {
  const all = new Float32Array(new Uint8Array(await readFile(file)).buffer)
  const count = Math.min(max, all.length / DIMENSIONS)
  return Array.from({ length: count }, (_, i) => all.slice(i * DIMENSIONS, (i + 1) * DIMENSIONS))
}
