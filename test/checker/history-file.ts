import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type {
  Claim,
  FinalState,
  History,
  IndexSample,
  Note,
  Operation,
  RunSettings,
  StoredWrite,
} from './history.ts'

/** Reads a history that a run kept, so that it can be judged again. */
export async function readHistory(file: string): Promise<History> {
  const operations: Operation[] = []
  const samples: IndexSample[] = []
  const stored: StoredWrite[] = []
  const claims: Claim[] = []
  const notes: Note[] = []
  let settings: RunSettings | undefined
  let final: FinalState | undefined
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { type, ...value } = JSON.parse(line)
    if (type === 'settings') settings = value
    else if (type === 'operation') operations.push(value)
    else if (type === 'sample') samples.push(value)
    else if (type === 'stored') stored.push(value)
    else if (type === 'claim') claims.push(value)
    else if (type === 'note') notes.push(value)
    else if (type === 'final') final = value
    else throw new Error(`${file} has a line of the unknown type ${type}: it isn't a history of this version`)
  }
  if (!settings) throw new Error(`${file} begins with no settings: it isn't a history`)
  return { settings, operations, stored, claims, samples, notes, final }
}
