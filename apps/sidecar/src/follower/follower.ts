/*
 * Keeps this region's indexes up to the change log, alone: it is the only writer of copies, indexes and checkpoint.
 *
 * Invariant: the checkpoint says of the copies exactly what is true, for both are written in one MULTI. When a batch
 * reaches the newest log entry, the indexes are the state at the clock read with it.
 *
 * One history: all that a commit writes was read from one history of the data, later reads going on from earlier ones, or
 * isn't written. So the checkpoint's `seen`, one position, tells of all copies whether a fork has taken something back: then
 * nothing answers until all copies are compared with the chunks, by difference. In between a search is refused all the same,
 * since it holds `seen` against the data Redis's clock of that moment (regional-indexes.ts). docs/search.md has the argument.
 *
 * If the process dies, the checkpoint tells the next one where to go on; a comparison that was under way begins again, and
 * finds little to do. If another sidecar's follower writes first, the MULTI fails under WATCH and this one stands by.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { coverageOf, formatPosition, type Position, samePosition } from '@perigee/core'
import type { Logger } from 'pino'
import type { PrimaryClock } from '../primary-clock.ts'
import type { ChangeLog, LogBatch } from '../redis/change-log.ts'
import type { CopyWriter } from '../redis/copy-writer.ts'
import { StatusError } from '../status-error.ts'
import { Catalogue } from './catalogue.ts'
import { ChangeSignal } from './change-signal.ts'
import type { Checkpoint, RepairReason } from './checkpoint.ts'
import { reaches } from './checkpoint-steps.ts'
import { IndexWriter, type Outcome } from './index-writer.ts'
import { Lead } from './lead.ts'
import { LogReader } from './log-reader.ts'
import type { Pace } from './pace.ts'
import { type Situation, situationOf, situationText } from './situation.ts'

/** What the follower is doing. */
export type FollowerState = 'stopped' | 'waiting' | 'standing-by' | 'repairing' | 'catching-up' | 'level'

export interface FollowerOptions {
  /** This follower's name, unique, by which its connection to the index Redis goes as well. */
  readonly id: string
  readonly region: string
  readonly log: ChangeLog
  readonly copies: CopyWriter
  readonly clock: PrimaryClock
  readonly pace: Pace
  readonly logger: Logger
}

/** A moment at which the log was known to hold nothing newer. */
export interface Level {
  /** The newest log entry, */
  readonly log: Position
  /** when the data Redis's clock was here. */
  readonly clock: Position
}

const BLOCK_MS = 500
const IDLE_PAUSE_MS = 3
const CHECK_EVERY_MS = 1_000
const STAND_BY_MS = 10
const UNAVAILABLE_PAUSE_MS = 100
const FAILED_PAUSE_MS = 1_000
const LEARN_EVERY_MS = 200
const NEWEST: Position = { epoch: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER }

export class Follower {
  readonly catalogue: Catalogue
  readonly #options: FollowerOptions
  readonly #logger: Logger
  readonly #lead: Lead
  readonly #reader: LogReader
  readonly #writer: IndexWriter
  readonly #changes = new ChangeSignal()
  #state: FollowerState = 'stopped'
  #abort = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #checkpoint: Checkpoint | undefined
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #learnedAtMs = Number.NEGATIVE_INFINITY
  #level: Level | undefined

  constructor(options: FollowerOptions) {
    const { id, log, copies, logger } = options
    this.#options = options
    this.#logger = logger
    this.catalogue = new Catalogue(log, copies, logger)
    this.#lead = new Lead({ id, connected: (other) => copies.followerConnected(other) })
    this.#reader = new LogReader(log)
    this.#writer = new IndexWriter({ ...options, reader: this.#reader, catalogue: this.catalogue })
  }

  get state(): FollowerState {
    return this.#state
  }

  /** The checkpoint as last read or written here. */
  get checkpoint(): Checkpoint | undefined {
    return this.#checkpoint
  }

  /** When the data Redis's log was last known to hold nothing newer. */
  get level(): Level | undefined {
    return this.#level
  }

  /** Log entries that the indexes haven't taken over. */
  get pending(): number {
    return Math.max(0, this.#reader.added - (this.#checkpoint?.added ?? 0))
  }

  /** How long ago the data Redis last answered, milliseconds. */
  get cutOffForMs(): number {
    return this.#reader.silentForMs
  }

  start(): void {
    this.#abort = new AbortController()
    this.#move('waiting', 'started')
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#running
    this.#move('stopped', 'stopped')
  }

  /** To be called when the index Redis may have lost or changed its contents: it was connected to anew. */
  indexRedisChanged(): void {
    this.#forget()
    this.catalogue.forget()
  }

  /** Resolves when the indexes may have moved on, or after `timeoutMs`, or when the signal aborts. */
  changed(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.#changes.changed(timeoutMs, signal)
  }

  /**
   * Writes copies anew, as their chunks are by then; resolves when that is done.
   *
   * @throws StatusError INDEX_NOT_FOUND when the index goes meanwhile; the signal's reason when it aborts.
   */
  write(indexUid: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#writer.mending.write(indexUid, ids, signal)
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      const pauseMs = await this.#turn().catch((error: unknown) => this.#failed(error))
      if (pauseMs > 0) await delay(pauseMs, undefined, { signal }).catch(() => undefined)
    }
  }

  #failed(error: unknown): number {
    this.#forget()
    this.#writer.forget()
    this.catalogue.forget()
    if (error instanceof StatusError) {
      this.#move('waiting', error.message)
      return UNAVAILABLE_PAUSE_MS
    }
    this.#logger.error({ err: error }, 'the follower failed; it tries again')
    return FAILED_PAUSE_MS
  }

  /** One step; gives how long to pause after it. */
  async #turn(): Promise<number> {
    if (await this.#nothingNew()) return 0
    const { region, pace, log } = this.#options
    const checkpoint = this.#looked(await this.#writer.watch())
    const leads = this.#lead.holds(checkpoint)
    const batch = await this.#reader.after(checkpoint?.log ?? NEWEST, leads ? pace.count : 0)
    pace.behind = leads && !checkpoint?.repair ? this.pending : 0
    const situation = situationOf(checkpoint, batch, region)
    if (situation === 'no-data' || situation === 'data-behind') {
      this.#forget()
      this.#move('waiting', situationText(situation))
      await log.changed(batch.clock, BLOCK_MS, this.#abort.signal)
      return IDLE_PAUSE_MS
    }
    if (checkpoint && !leads) return await this.#standBy(checkpoint, batch, situation)
    await this.catalogue.ensure()
    if (!checkpoint) return await this.#repair('build', checkpoint, batch)
    if (situation !== 'follow') return await this.#repair(situation, checkpoint, batch)
    const incomplete = await this.#writer.incomplete(checkpoint)
    if (incomplete) return await this.#repair(incomplete, checkpoint, batch)
    if (!checkpoint.repair) return await this.#follow(checkpoint, batch)
    if (!this.#writer.comparing) return await this.#repair(checkpoint.repair.reason, checkpoint, batch)
    return this.#wrote(await this.#writer.compare(checkpoint, batch), batch)
  }

  /** True when no entry has come since the indexes were level: the clock alone may have moved, by writes to the cache. */
  async #nothingNew(): Promise<boolean> {
    const level = this.#level
    const { mending } = this.#writer
    // While it catches up there surely is more, and the next batch may have been read already.
    const isLevel = level && this.#checkpoint && samePosition(this.#checkpoint.log, level.log)
    if (!isLevel || performance.now() - this.#checkedAtMs > CHECK_EVERY_MS || mending.waiting) return false
    const { signal } = this.#abort
    const { log, pace } = this.#options
    await log.changed(level.clock, BLOCK_MS, AbortSignal.any([signal, mending.ordered]))
    if (signal.aborted) return true
    const leads = this.#lead.holds(this.#checkpoint)
    const batch = await this.#reader.after(level.log, leads ? pace.count : 0)
    if (this.#level !== level) return false
    const same = samePosition(batch.newest, level.log)
    if (!same || coverageOf(level.clock, batch.clock, batch.forks, false) !== 'included') {
      if (leads) this.#reader.keep(level.log, batch)
      return false
    }
    this.#reach({ log: level.log, clock: batch.clock })
    if (!this.#changes.awaited) await delay(IDLE_PAUSE_MS)
    return true
  }

  /** Takes note of a checkpoint that was read. */
  #looked(checkpoint: Checkpoint | undefined): Checkpoint | undefined {
    // Another follower may have taken over entries that this one never sees, among them indexes made and dropped.
    if (checkpoint?.revision !== this.#checkpoint?.revision) {
      this.catalogue.forget()
      this.#writer.forget()
      this.#checkpoint = checkpoint
      this.#changes.tell()
    }
    this.#checkpoint = checkpoint
    const mends = this.#writer.mending.waiting && checkpoint?.region === this.#options.region
    if (checkpoint && mends) this.#lead.take(checkpoint)
    return checkpoint
  }

  /** Reads along while another follower writes; takes over when that one is gone. */
  async #standBy(checkpoint: Checkpoint, batch: LogBatch, situation: Situation): Promise<number> {
    if (situation === 'foreign' && (await this.#lead.alive(checkpoint))) {
      this.#forget()
      this.#move('standing-by', 'the index Redis is in use by another region or cluster')
      const { region, clusterId } = checkpoint
      const text = 'give this region an index Redis of its own: this one is in use'
      this.#logger.error({ region, clusterId }, text)
      return FAILED_PAUSE_MS
    }
    const undone = situation !== 'follow' || checkpoint.repair !== undefined
    if (await this.#lead.vacant(checkpoint, undone)) {
      this.#lead.take(checkpoint)
      return 0
    }
    if (!undone || performance.now() - this.#learnedAtMs > LEARN_EVERY_MS) {
      await this.catalogue.ensure()
      this.#learnedAtMs = performance.now()
    }
    if (undone) {
      this.#forget()
      this.#move('standing-by', 'another follower writes')
      return STAND_BY_MS
    }
    this.#checkedAtMs = performance.now()
    this.#reach({ log: checkpoint.log, clock: batch.clock })
    return 0
  }

  async #repair(reason: RepairReason, checkpoint: Checkpoint | undefined, batch: LogBatch): Promise<number> {
    this.#forget()
    this.#move('repairing', situationText(reason))
    return this.#wrote(await this.#writer.begin(reason, checkpoint, batch), batch)
  }

  /** Takes over what is new; when there is nothing, removes what indexes that are gone have left. */
  async #follow(checkpoint: Checkpoint, batch: LogBatch): Promise<number> {
    const quiet = batch.entries.length === 0 && samePosition(checkpoint.applied, batch.clock)
    if (!quiet || this.#writer.mending.waiting)
      return this.#wrote(await this.#writer.follow(checkpoint, batch), batch)
    this.#checkedAtMs = performance.now()
    this.#reach({ log: checkpoint.log, clock: batch.clock })
    const swept = await this.#writer.sweep(checkpoint)
    if (!swept) return 0
    const pauseMs = this.#wrote(swept, batch)
    // There may be more.
    this.#forget()
    return pauseMs
  }

  /** Takes note of what was written; gives how long to pause. */
  #wrote(outcome: Outcome, batch: LogBatch): number {
    if (outcome === 'beaten') {
      this.#forget()
      this.#move('standing-by', 'another follower wrote first')
      return STAND_BY_MS
    }
    const { checkpoint, pauseMs } = outcome
    this.#checkpoint = checkpoint
    this.#checkedAtMs = performance.now()
    this.catalogue.knownAt(checkpoint.log)
    this.#changes.tell()
    if (checkpoint.repair) return pauseMs
    if (reaches(checkpoint, batch)) {
      this.#reach({ log: checkpoint.log, clock: batch.clock })
      // To be looked for in the next turn.
      if (this.#writer.mayHaveLeftovers) this.#checkedAtMs = Number.NEGATIVE_INFINITY
    } else {
      this.#move('catching-up', `${this.pending} changes to apply`)
    }
    return pauseMs
  }

  #reach(level: Level): void {
    this.#level = level
    this.catalogue.knownAt(level.clock)
    this.#move('level', `at ${formatPosition(level.clock)}`)
    this.#changes.tell()
  }

  /** From now on nothing is taken for known: checkpoint and log are looked at anew. */
  #forget(): void {
    this.#level = undefined
    this.#reader.forget()
  }

  #move(state: FollowerState, why: string): void {
    if (state === this.#state) return
    // Beside another follower that writes it is level, and then not, with every change.
    const routine = [this.#state, state].every((one) => one === 'level' || one === 'standing-by')
    this.#logger[routine ? 'debug' : 'info']({ from: this.#state, to: state, why }, 'follower moved')
    this.#state = state
  }
}
