/**
 * A small embedding command: node embed.ts SEED DIMENSIONS [MILLISECONDS A TEXT]. Reads JSON lines {"id","text"}, writes JSON
 * lines {"id","vector"}; the vector depends on seed and text alone.
 */
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

/** The vector of a text in the model that a seed stands for. */
export function embed(seed: string, dimensions: number, text: string): number[] {
  const bytes = createHash('sha256').update(`${seed}\0${text}`).digest()
  return Array.from({ length: dimensions }, (_, i) => (bytes[i] ?? 0) - 127.5)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [seed = '', dimensions = '0', perTextMs = '0'] = process.argv.slice(2)
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, text } = JSON.parse(line) as { id: string; text: string }
    if (Number(perTextMs) > 0) await delay(Number(perTextMs))
    process.stdout.write(`${JSON.stringify({ id, vector: embed(seed, Number(dimensions), text) })}\n`)
  }
}
