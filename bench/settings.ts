import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findFolder, type InputSource } from './input/input.ts'
import { rowNames } from './measure/goals.ts'

/** What `--only` takes besides rows. */
export const SCALE = 'scale'

export const HELP = `npm run bench -- [options]
  --only A,B     these rows (all): ${rowNames().join(', ')}
                 or scale: how cost grows with calls in flight, k, chunks, indexes and regions; not part of all
  --json FILE    writes every row to a file
  --quick        a minute's look: fails only when a ratio has collapsed at three looks, to half of what bench/recorded.json has
  --rounds N     turns of each side (5; quick 3)
  --data DIR     real chunks (../shared/data/pg beside the repository, else made ones)
  --report DIR   where tables and plots go (bench/report)
  --record       keeps this run's ratios in bench/recorded.json: with --quick, which they are compared with, on a quiet machine`

/** How long and how much, and of what. */
export interface Settings {
  /** Names before the slash. */
  readonly only: readonly string[]
  readonly quick: boolean
  readonly record: boolean
  readonly json: string | undefined
  readonly report: string
  readonly input: InputSource
  readonly rounds: number
  /** How long a side's turn takes. */
  readonly turnMs: number
  /** How long each side works before the first round. */
  readonly warmMs: number
  /** Chunks that are indexed while others are searched. */
  readonly moreChunks: number
  /** Chunks of one turn of upserts. */
  readonly upsertChunks: number
  /** Writes of one turn of a measurement of lag. */
  readonly lagWrites: number
  /** How long the sidecar is loaded while its memory is watched. */
  readonly enduranceMs: number
}

/** What the figures are measured with: the real thing, and a look that is over in a minute. */
const FULL = {
  rounds: 5,
  turnMs: 3_000,
  warmMs: 3_000,
  chunks: 9_376,
  moreChunks: 5_000,
  upsertChunks: 2_000,
  lagWrites: 50,
  enduranceMs: 300_000,
}
const QUICK = {
  rounds: 3,
  turnMs: 250,
  warmMs: 250,
  chunks: 1_000,
  moreChunks: 200,
  upsertChunks: 300,
  lagWrites: 5,
  enduranceMs: 3_000,
}

/** Reads the command line; undefined when help is asked for. Throws an error that says what is wrong. */
export function settingsFrom(args: readonly string[]): Settings | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      data: { type: 'string' },
      report: { type: 'string', default: here('report') },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { rounds, chunks, ...sizes } = values.quick ? QUICK : FULL
  const folder = findFolder(values.data, here('../../shared/data/pg'))
  return {
    ...sizes,
    only: onlyFrom(values.only),
    quick: values.quick,
    record: values.record,
    json: values.json,
    report: values.report,
    rounds: roundsFrom(values.rounds, rounds),
    input: { chunks, ...(folder !== undefined && { folder }) },
  }
}

function onlyFrom(text: string | undefined): readonly string[] {
  const known = rowNames()
  if (text === undefined) return known
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !known.includes(name) && name !== SCALE)
  if (unknown.length > 0)
    throw new Error(`there is no row ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return names
}

function roundsFrom(text: string | undefined, standard: number): number {
  const rounds = text === undefined ? standard : Number(text)
  if (Number.isInteger(rounds) && rounds > 0) return rounds
  throw new Error(`--rounds is a whole number from 1 up, not ${text}`)
}

function here(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}
