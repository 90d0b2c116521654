import { createWriteStream, type WriteStream } from 'node:fs'
import type {
  Claim,
  FinalState,
  History,
  IndexSample,
  Moment,
  Note,
  Operation,
  RunSettings,
  StoredWrite,
} from './history.ts'
import { positionFrom } from './lineage.ts'

/** Writes a history down while it happens: in memory, and as JSON lines in a file. */
export class Recorder {
  readonly file: string
  readonly #settings: RunSettings
  readonly #lines: WriteStream
  readonly #startedAt = performance.now()
  readonly #operations: Operation[] = []
  readonly #samples: IndexSample[] = []
  readonly #stored: StoredWrite[] = []
  readonly #known = new Set<string>()
  readonly #notes: Note[] = []
  readonly #claims: Claim[] = []
  #final: FinalState | undefined
  #events = 0
  #writes = 0
  #epoch = 0
  #calls = 0

  constructor(file: string, settings: RunSettings) {
    this.file = file
    this.#settings = settings
    this.#lines = createWriteStream(file)
    this.#write('settings', settings)
  }

  /** How many calls have ended. */
  get ended(): number {
    return this.#operations.length
  }

  /** How many writes were acknowledged. */
  get writes(): number {
    return this.#writes
  }

  /** The latest epoch in which a write was acknowledged. */
  get epoch(): number {
    return this.#epoch
  }

  get failed(): number {
    return this.#operations.filter(({ outcome, hurried }) => outcome.kind !== 'ok' && !hurried).length
  }

  now(): Moment {
    return { event: this.#events++, ms: performance.now() - this.#startedAt }
  }

  nextId(): number {
    return this.#calls++
  }

  operation(operation: Operation): void {
    this.#operations.push(operation)
    this.#count(operation)
    this.#write('operation', operation)
  }

  sample(sample: IndexSample): void {
    this.#samples.push(sample)
    this.#write('sample', sample)
  }

  /** What was done to the regions. */
  note(text: string): void {
    const note = { ms: performance.now() - this.#startedAt, text }
    this.#notes.push(note)
    this.#write('note', note)
  }

  /** What was found in a store; what another one has told already is left out. */
  stored(writes: readonly StoredWrite[], claims: readonly Claim[]): void {
    for (const write of writes) {
      const what = `${write.at} ${write.item} ${write.value}`
      if (this.#known.has(what)) continue
      this.#known.add(what)
      this.#stored.push(write)
      this.#write('stored', write)
    }
    for (const claim of claims) {
      const what = `${claim.epoch} ${claim.from}`
      if (this.#known.has(what)) continue
      this.#known.add(what)
      this.#claims.push(claim)
      this.#write('claim', claim)
    }
  }

  final(state: FinalState): void {
    this.#final = state
    this.#write('final', state)
  }

  history(): History {
    return {
      settings: this.#settings,
      operations: this.#operations,
      stored: this.#stored,
      claims: this.#claims,
      samples: this.#samples,
      notes: this.#notes,
      final: this.#final,
    }
  }

  /** Waits until all is in the file. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#lines.end(resolve))
  }

  #count({ value, outcome }: Operation): void {
    if (value === undefined || outcome.kind !== 'ok') return
    this.#writes += 1
    if (outcome.at !== undefined) this.#epoch = Math.max(this.#epoch, positionFrom(outcome.at).epoch)
  }

  #write(type: string, value: object): void {
    this.#lines.write(`${JSON.stringify({ type, ...value })}\n`)
  }
}
