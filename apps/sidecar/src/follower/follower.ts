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
import {
  comparePositions,
  coverageOf,
  formatPosition,
  ORIGIN,
  type Position,
  parsePosition,
  samePosition,
} from '@perigee/core'
import type { Logger } from 'pino'
import type { PrimaryClock } from '../primary-clock.ts'
import type { ChangeLog, LogBatch, LogOperation } from '../redis/change-log.ts'
import type { CopyChange, CopyWriter } from '../redis/copy-writer.ts'
import { StatusError } from '../status-error.ts'
import { Catalogue } from './catalogue.ts'
import { ChangeSignal } from './change-signal.ts'
import { type Checkpoint, checkpointFields, checkpointFrom, type RepairReason } from './checkpoint.ts'
import { compared, followed, reaches, repairBegun, type Turn } from './checkpoint-steps.ts'
import { Lead } from './lead.ts'
import { Leftovers } from './leftovers.ts'
import { changesOf } from './log-changes.ts'
import { LogReader } from './log-reader.ts'
import { Mending } from './mending.ts'
import type { Pace } from './pace.ts'
import { RepairScan } from './repair-scan.ts'
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
const FILLING_PAUSE_MS = 50
const SWEEP_COUNT = 500
const DEFINING: ReadonlySet<LogOperation> = new Set([
  'create-index',
  'drop-index',
  'put-alias',
  'delete-alias',
])
const NEWEST: Position = { epoch: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER }

export class Follower {
  readonly catalogue: Catalogue
  readonly #options: FollowerOptions
  readonly #logger: Logger
  readonly #lead: Lead
  readonly #reader: LogReader
  readonly #leftovers: Leftovers
  readonly #mending: Mending
  readonly #changes = new ChangeSignal()
  #state: FollowerState = 'stopped'
  #abort = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #checkpoint: Checkpoint | undefined
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #level: Level | undefined
  #repair: RepairScan | undefined
  /** How long the index Redis took to read the checkpoint. */
  #idleMs = 0

  constructor(options: FollowerOptions) {
    const { id, log, copies, logger } = options
    this.#options = options
    this.#logger = logger
    this.catalogue = new Catalogue(log, copies, logger)
    this.#lead = new Lead({ id, connected: (other) => copies.followerConnected(other) })
    this.#reader = new LogReader(log)
    this.#leftovers = new Leftovers({ copies, catalogue: this.catalogue })
    this.#mending = new Mending(options)
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
    return this.#mending.write(indexUid, ids, signal)
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
    this.#repair = undefined
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
    const { region, pace, copies, log } = this.#options
    const startedAt = performance.now()
    const checkpoint = this.#looked(checkpointFrom(await copies.watchCheckpoint()))
    this.#idleMs = performance.now() - startedAt
    const leads = this.#lead.holds(checkpoint)
    const batch = await this.#reader.after(checkpoint?.log ?? NEWEST, leads ? pace.count : 0)
    const situation = situationOf(checkpoint, batch, region)
    if (situation === 'no-data' || situation === 'data-behind') {
      this.#forget()
      this.#move('waiting', situationText(situation))
      await log.changed(batch.clock, BLOCK_MS, this.#abort.signal)
      return IDLE_PAUSE_MS
    }
    if (checkpoint && !leads) return await this.#standBy(checkpoint, batch, situation)
    await this.catalogue.ensure()
    if (!checkpoint) return await this.#beginRepair('build', checkpoint, batch)
    if (situation !== 'follow') return await this.#beginRepair(situation, checkpoint, batch)
    const missing = await this.catalogue.missing()
    // Not made before the checkpoint says that it doesn't answer: the copies come into it only little by little.
    if (missing.some(({ uid }) => checkpoint.complete.has(uid)) || this.#forgotten(checkpoint))
      return await this.#beginRepair('index-missing', checkpoint, batch)
    await this.catalogue.makeMissing()
    if (!checkpoint.repair) return await this.#follow(checkpoint, batch)
    if (!this.#repair) return await this.#beginRepair(checkpoint.repair.reason, checkpoint, batch)
    return await this.#repairStep(checkpoint, batch, this.#repair)
  }

  /** True when no entry has come since the indexes were level: the clock alone may have moved, by writes to the cache. */
  async #nothingNew(): Promise<boolean> {
    const level = this.#level
    if (!level || performance.now() - this.#checkedAtMs > CHECK_EVERY_MS || this.#mending.waiting)
      return false
    const { signal } = this.#abort
    const { log, pace } = this.#options
    await log.changed(level.clock, BLOCK_MS, AbortSignal.any([signal, this.#mending.ordered]))
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
      this.#leftovers.forget()
    }
    const moved = checkpoint?.revision !== this.#checkpoint?.revision
    this.#checkpoint = checkpoint
    if (moved) this.#changes.tell()
    if (checkpoint && this.#mending.waiting && checkpoint.region === this.#options.region)
      this.#lead.take(checkpoint)
    return checkpoint
  }

  /** Reads along while another follower writes; takes over when that one is gone. */
  async #standBy(checkpoint: Checkpoint, batch: LogBatch, situation: Situation): Promise<number> {
    this.#repair = undefined
    if (situation === 'foreign' && (await this.#lead.alive(checkpoint))) {
      this.#move('standing-by', 'the index Redis is in use by another region or cluster')
      const { region, clusterId } = checkpoint
      this.#logger.error(
        { region, clusterId },
        'give this region an index Redis of its own: this one is in use',
      )
      return FAILED_PAUSE_MS
    }
    const undone = situation !== 'follow' || checkpoint.repair !== undefined
    if (await this.#lead.vacant(checkpoint, undone)) {
      this.#lead.take(checkpoint)
      return 0
    }
    if (undone) {
      this.#forget()
      this.#move('standing-by', 'another follower writes')
      return STAND_BY_MS
    }
    await this.catalogue.ensure()
    this.#checkedAtMs = performance.now()
    this.#reach({ log: checkpoint.log, clock: batch.clock })
    return 0
  }

  /** Whether an index that should answer was lost sight of: it is there, and neither complete nor being compared. */
  #forgotten({ complete, repair, log }: Checkpoint): boolean {
    if (repair) return false
    const included = (uid: string) => comparePositions(parsePosition(uid) ?? ORIGIN, log) <= 0
    return [...this.catalogue.definitions.keys()].some((uid) => !complete.has(uid) && included(uid))
  }

  async #beginRepair(
    reason: RepairReason,
    checkpoint: Checkpoint | undefined,
    batch: LogBatch,
  ): Promise<number> {
    this.#forget()
    this.#leftovers.forget()
    this.catalogue.forget()
    await this.catalogue.load()
    const lost = new Set((await this.catalogue.missing()).map(({ uid }) => uid))
    const repair = new RepairScan({ ...this.#options, definitions: [...this.catalogue.definitions.values()] })
    this.#move('repairing', situationText(reason))
    this.#repair = repair
    const { progress } = repair
    const begun = await this.#commit(
      [],
      repairBegun(checkpoint, this.#turnOf(batch), { reason, lost, progress }),
    )
    return begun ? 0 : STAND_BY_MS
  }

  /** Takes over a batch of the log, and copies that are to be mended. */
  async #follow(checkpoint: Checkpoint, batch: LogBatch): Promise<number> {
    const { pace, region } = this.#options
    const quiet = batch.entries.length === 0 && samePosition(checkpoint.applied, batch.clock)
    if (quiet && !this.#mending.waiting) {
      this.#checkedAtMs = performance.now()
      this.#reach({ log: checkpoint.log, clock: batch.clock })
      await this.#sweep(checkpoint)
      return 0
    }
    await this.#define(batch)
    const { definitions } = this.catalogue
    const { changes, shown } = changesOf(batch, definitions, region)
    const mend = await this.#mending.next(pace.count, batch.clock, definitions)
    const next = followed(checkpoint, this.#turnOf(batch), [...shown, mend.seen])
    const reached = reaches(next, batch)
    if (!reached) this.#reader.readAhead(next.log, pace.count)
    const pauseMs = await this.#paced([...changes, ...mend.changes], next)
    if (pauseMs === undefined) return STAND_BY_MS
    mend.done()
    if (reached) {
      this.#reach({ log: next.log, clock: batch.clock })
      // There may be something to remove.
      if (!this.#leftovers.known) this.#checkedAtMs = Number.NEGATIVE_INFINITY
    } else this.#move('catching-up', `${this.pending} changes to apply`)
    return pauseMs
  }

  /** Takes over a batch of the log and a step of the comparison. */
  async #repairStep(checkpoint: Checkpoint, batch: LogBatch, repair: RepairScan): Promise<number> {
    await this.#define(batch)
    const { pace, region } = this.#options
    const { changes, shown } = changesOf(batch, this.catalogue.definitions, region)
    const steps = await repair.next(pace.count, batch.clock)
    const done = steps === undefined && (await this.#allFilled(repair))
    const step = { shown: [...shown, repair.seen], progress: repair.progress, done }
    const next = compared(checkpoint, this.#turnOf(batch), step)
    const pauseMs = await this.#paced([...changes, ...(steps ?? [])], next)
    if (pauseMs === undefined) return STAND_BY_MS
    // All is compared, but the search module has yet to take in what was there before.
    if (!done) return steps === undefined ? FILLING_PAUSE_MS : pauseMs
    this.#repair = undefined
    this.#move('catching-up', 'all copies are compared')
    return pauseMs
  }

  /** Reads the definitions anew when a batch says that they changed. */
  async #define(batch: LogBatch): Promise<void> {
    if (!batch.entries.some(({ operation }) => DEFINING.has(operation))) return
    await this.catalogue.load()
    await this.catalogue.makeMissing()
    this.#leftovers.forget()
  }

  async #allFilled(repair: RepairScan): Promise<boolean> {
    for (const uid of repair.progress.keys()) {
      if (this.catalogue.definitions.has(uid) && !(await this.#options.copies.filled(uid))) return false
    }
    return true
  }

  /** Removes what indexes that are gone have left, a little at a time. */
  async #sweep(checkpoint: Checkpoint): Promise<void> {
    const changes = await this.#leftovers.next(SWEEP_COUNT)
    if (changes.length === 0) return
    await this.#commit(changes, { ...checkpoint, revision: checkpoint.revision + 1, by: this.#lead.id })
    this.#forget()
  }

  #turnOf(batch: LogBatch): Turn {
    const { region, clock } = this.#options
    return { by: this.#lead.id, region, batch, definitions: this.catalogue.definitions, nowMs: clock.nowMs() }
  }

  /** Commits; gives how long to pause, `undefined` when another follower was first. */
  async #paced(changes: readonly CopyChange[], checkpoint: Checkpoint): Promise<number | undefined> {
    const startedAt = performance.now()
    if (!(await this.#commit(changes, checkpoint))) return undefined
    return this.#options.pace.wrote(changes.length, performance.now() - startedAt, this.#idleMs)
  }

  async #commit(changes: readonly CopyChange[], checkpoint: Checkpoint): Promise<boolean> {
    const done = await this.#options.copies.commit(changes, checkpointFields(checkpoint))
    if (done) {
      this.#checkpoint = checkpoint
      this.#checkedAtMs = performance.now()
      this.catalogue.knownAt(checkpoint.log)
      this.#changes.tell()
      return true
    }
    this.#forget()
    this.#repair = undefined
    this.#move('standing-by', 'another follower wrote first')
    return false
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
    this.#logger.info({ from: this.#state, to: state, why }, 'follower moved')
    this.#state = state
  }
}
