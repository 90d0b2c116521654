/*
 * Writes copies and checkpoint, both in one MULTI, under WATCH of the checkpoint: all or nothing, and nothing when another
 * follower was first. What goes into one commit was read from one history of the data, later reads going on from earlier
 * ones.
 *
 * While it catches up, the index Redis is what should be busy: as it writes one batch, the next is read, encoded and sent
 * behind it, in a MULTI of its own whose EXEC follows once the checkpoint was looked at, or never.
 */
import type { Position } from '@perigee/core'
import { comparePositions, ORIGIN, parsePosition } from '@perigee/core'
import type { PrimaryClock } from '../primary-clock.ts'
import type { ChangeLog, LogBatch, LogOperation } from '../redis/change-log.ts'
import type { CopyWriter, EncodedChanges } from '../redis/copy-writer.ts'
import type { Catalogue } from './catalogue.ts'
import { type Checkpoint, checkpointFields, checkpointFrom, type RepairReason } from './checkpoint.ts'
import { compared, followed, reaches, repairBegun, type Turn } from './checkpoint-steps.ts'
import { Leftovers } from './leftovers.ts'
import { changesOf } from './log-changes.ts'
import type { LogReader } from './log-reader.ts'
import { Mending } from './mending.ts'
import type { Pace } from './pace.ts'
import { RepairScan } from './repair-scan.ts'
import { situationOf } from './situation.ts'

export interface IndexWriterOptions {
  /** The follower that writes. */
  readonly id: string
  readonly region: string
  readonly log: ChangeLog
  readonly reader: LogReader
  readonly copies: CopyWriter
  readonly catalogue: Catalogue
  readonly clock: PrimaryClock
  readonly pace: Pace
}

/** A checkpoint that was written, and how long to pause after it; or that another follower was first. */
export type Outcome = { readonly checkpoint: Checkpoint; readonly pauseMs: number } | 'beaten'

/** What a batch of the log asks of the copies, ready to be written. */
interface Prepared {
  readonly batch: LogBatch
  /** Those it was prepared by. */
  readonly definitions: Catalogue['definitions']
  readonly changes: EncodedChanges
  /** The newest things that the changes may show. */
  readonly shown: readonly Position[]
}

const FILLING_PAUSE_MS = 50
const SWEEP_COUNT = 500
const DEFINING: ReadonlySet<LogOperation> = new Set([
  'create-index',
  'drop-index',
  'put-alias',
  'delete-alias',
])

export class IndexWriter {
  /** Copies that somebody wants written anew. */
  readonly mending: Mending
  readonly #options: IndexWriterOptions
  readonly #leftovers: Leftovers
  #repair: RepairScan | undefined
  #prepared: Prepared | undefined
  /** The checkpoint of the commit that is under way. */
  #committing: Checkpoint | undefined
  /** How long the index Redis took to read the checkpoint. */
  #idleMs = 0

  constructor(options: IndexWriterOptions) {
    this.#options = options
    this.mending = new Mending(options)
    this.#leftovers = new Leftovers(options)
  }

  /** Whether a comparison is under way here. */
  get comparing(): boolean {
    return this.#repair !== undefined
  }

  /** Whether there may be something to remove that nobody has looked for. */
  get mayHaveLeftovers(): boolean {
    return !this.#leftovers.known
  }

  /** Gives up what was known of copies and comparisons: somebody else wrote. */
  forget(): void {
    this.#repair = undefined
    this.#prepared = undefined
    this.#leftovers.forget()
  }

  /** Reads the checkpoint, and watches it until the next commit. */
  async watch(): Promise<Checkpoint | undefined> {
    const startedAt = performance.now()
    const fields = await this.#options.copies.watchCheckpoint()
    this.#idleMs = performance.now() - startedAt
    return checkpointFrom(fields)
  }

  /**
   * Why the indexes need a comparison though the log goes on: a search index was lost, or an index that should answer was
   * lost sight of. Makes the search indexes that lack otherwise.
   */
  async incomplete({ complete, repair, log }: Checkpoint): Promise<RepairReason | undefined> {
    const { catalogue } = this.#options
    const missing = await catalogue.missing()
    const included = (uid: string) => comparePositions(parsePosition(uid) ?? ORIGIN, log) <= 0
    const forgotten = (uid: string) => !repair && !complete.has(uid) && included(uid)
    // Not made before the checkpoint says that it doesn't answer: the copies come into it only little by little.
    if (missing.some(({ uid }) => complete.has(uid)) || [...catalogue.definitions.keys()].some(forgotten))
      return 'index-missing'
    await catalogue.makeMissing()
    return undefined
  }

  /** Begins to compare all copies with all chunks. */
  async begin(reason: RepairReason, checkpoint: Checkpoint | undefined, batch: LogBatch): Promise<Outcome> {
    const { catalogue } = this.#options
    this.forget()
    catalogue.forget()
    await catalogue.load()
    const lost = new Set((await catalogue.missing()).map(({ uid }) => uid))
    const repair = new RepairScan({ ...this.#options, definitions: [...catalogue.definitions.values()] })
    const { progress } = repair
    const next = repairBegun(checkpoint, this.#turn(batch), { reason, lost, progress })
    const outcome = await this.#commit([], next)
    if (outcome !== 'beaten') this.#repair = repair
    return outcome
  }

  /** Takes over a batch of the log and a step of the comparison; the last one ends it. */
  async compare(checkpoint: Checkpoint, batch: LogBatch): Promise<Outcome> {
    const { copies } = this.#options
    const repair = this.#repair
    if (!repair) throw new Error('no comparison was begun')
    const { changes, shown } = await this.#logged(batch)
    const steps = await repair.next(this.#options.pace.count, batch.clock)
    const done = steps === undefined && (await this.#allFilled(repair))
    const step = { shown: [...shown, repair.seen], progress: repair.progress, done }
    const outcome = await this.#commit(
      [changes, copies.encode(steps ?? [])],
      compared(checkpoint, this.#turn(batch), step),
    )
    if (outcome === 'beaten') return outcome
    if (done) this.#repair = undefined
    // All is compared, but the search module has yet to take in what was there before.
    return steps === undefined && !done ? { ...outcome, pauseMs: FILLING_PAUSE_MS } : outcome
  }

  /** Takes over a batch of the log, and copies that are to be mended. */
  async follow(checkpoint: Checkpoint, batch: LogBatch): Promise<Outcome> {
    const { pace, catalogue, reader, copies } = this.#options
    const { changes, shown } = await this.#logged(batch)
    const mend = await this.mending.next(pace.count, batch.clock, catalogue.definitions)
    const next = followed(checkpoint, this.#turn(batch), [...shown, mend.seen])
    // While the index Redis writes this batch, the next one is read and made ready.
    if (!reaches(next, batch))
      reader.readAhead(next.log, pace.count, (ahead) => this.#prepareAhead(ahead, next))
    const outcome = await this.#commit([changes, copies.encode(mend.changes)], next)
    if (outcome !== 'beaten') mend.done()
    return outcome
  }

  /** Removes a little of what indexes that are gone have left; `undefined` when there is nothing. */
  async sweep(checkpoint: Checkpoint): Promise<Outcome | undefined> {
    const changes = await this.#leftovers.next(SWEEP_COUNT)
    if (changes.length === 0) return undefined
    const next = { ...checkpoint, revision: checkpoint.revision + 1, by: this.#options.id }
    return await this.#commit([this.#options.copies.encode(changes)], next)
  }

  /** What a batch asks of the copies, by definitions that are as new as it. */
  async #logged(batch: LogBatch): Promise<Prepared> {
    const { catalogue } = this.#options
    if (definesIndexes(batch)) {
      await catalogue.load()
      await catalogue.makeMissing()
      this.#leftovers.forget()
    }
    const prepared = this.#prepared
    this.#prepared = undefined
    const current = prepared?.batch === batch && prepared.definitions === catalogue.definitions
    return current ? prepared : this.#prepare(batch)
  }

  /** Makes a batch ready that is read before its turn. @param checkpoint that it will most likely follow. */
  #prepareAhead(batch: LogBatch, checkpoint: Checkpoint): void {
    if (definesIndexes(batch)) return
    const prepared = this.#prepare(batch)
    this.#prepared = prepared
    const { copies, pace, region } = this.#options
    const goesOn = situationOf(checkpoint, batch, region) === 'follow' && !this.mending.waiting
    // While someone searches, what is committed at once stays small.
    if (this.#committing !== checkpoint || pace.busy || !goesOn || prepared.changes.size === 0) return
    const next = followed(checkpoint, this.#turn(batch), prepared.shown)
    if (!reaches(next, batch)) copies.commitAhead(prepared.changes, checkpointFields(next))
  }

  #prepare(batch: LogBatch): Prepared {
    const { catalogue, copies, region } = this.#options
    const { definitions } = catalogue
    const { changes, shown } = changesOf(batch, definitions, region)
    return { batch, definitions, changes: copies.encode(changes), shown }
  }

  async #allFilled(repair: RepairScan): Promise<boolean> {
    const { catalogue, copies } = this.#options
    for (const uid of repair.progress.keys()) {
      if (catalogue.definitions.has(uid) && !(await copies.filled(uid))) return false
    }
    return true
  }

  #turn(batch: LogBatch): Turn {
    const { id, region, clock, catalogue } = this.#options
    return { by: id, region, batch, definitions: catalogue.definitions, nowMs: clock.nowMs() }
  }

  async #commit(changes: readonly EncodedChanges[], checkpoint: Checkpoint): Promise<Outcome> {
    const { copies, pace } = this.#options
    const startedAt = performance.now()
    this.#committing = checkpoint
    const isCommitted = await copies.commit(changes, checkpointFields(checkpoint)).finally(() => {
      this.#committing = undefined
    })
    if (!isCommitted) {
      this.forget()
      return 'beaten'
    }
    const count = changes.reduce((sum, { size }) => sum + size, 0)
    const pauseMs = pace.wrote(count, performance.now() - startedAt, this.#idleMs)
    return { checkpoint, pauseMs }
  }
}

function definesIndexes({ entries }: LogBatch): boolean {
  return entries.some(({ operation }) => DEFINING.has(operation))
}
