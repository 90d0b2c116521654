/*
 * Keeps this region's indexes up to the change log, alone: it is the only writer of copies, indexes and checkpoint.
 *
 * Invariant: the checkpoint says of the copies exactly what is true, for both are written in one MULTI. When a batch
 * reaches the newest log entry, the indexes are the state at the clock read with it.
 *
 * If the process dies, the checkpoint tells the next one where to go on; a comparison that was under way begins again, and
 * finds little to do. If another sidecar's follower writes first, the MULTI fails under WATCH and this one stands by. If
 * the data Redis comes back with less, the follower waits for it to catch up, or, when a fork says that it never will,
 * stops the indexes from answering until all copies are compared with the chunks.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { coverageOf, formatPosition, laterPosition, ORIGIN, type Position, samePosition } from '@perigee/core'
import type { Logger } from 'pino'
import type { PrimaryClock } from '../primary-clock.ts'
import type { ChangeLog, LogBatch } from '../redis/change-log.ts'
import type { CopyChange, CopyWriter } from '../redis/copy-writer.ts'
import { StatusError } from '../status-error.ts'
import { Catalogue } from './catalogue.ts'
import { type Checkpoint, checkpointFields, checkpointFrom, type RepairReason } from './checkpoint.ts'
import { changesOf } from './log-changes.ts'
import type { Pace } from './pace.ts'
import { RepairScan } from './repair-scan.ts'
import { situationOf, situationText } from './situation.ts'

/** What the follower is doing. */
export type FollowerState = 'stopped' | 'waiting' | 'standing-by' | 'repairing' | 'catching-up' | 'level'

export interface FollowerOptions {
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
const STAND_BY_MS = 20
const TAKE_OVER_AFTER_MS = 3_000
const UNAVAILABLE_PAUSE_MS = 100
const FAILED_PAUSE_MS = 1_000
const FILLING_PAUSE_MS = 50
const SWEEP_COUNT = 500
const NEWEST: Position = { epoch: Number.MAX_SAFE_INTEGER, seq: Number.MAX_SAFE_INTEGER }

export class Follower {
  readonly catalogue: Catalogue
  readonly #options: FollowerOptions
  readonly #logger: Logger
  readonly #id = randomUUID()
  readonly #listeners = new Set<() => void>()
  #state: FollowerState = 'stopped'
  #abort = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #checkpoint: Checkpoint | undefined
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #level: Level | undefined
  /** The batch that comes after an entry, read ahead. */
  #ahead: { readonly after: Position; readonly batch: Promise<LogBatch> } | undefined
  #added = 0
  #repair: RepairScan | undefined
  #others = { revision: -1, sinceMs: 0 }
  #dataSeenAtMs = performance.now()
  #orphans: string[] | undefined

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#logger = options.logger
    this.catalogue = new Catalogue(options.log, options.copies, options.logger)
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
    return Math.max(0, this.#added - (this.#checkpoint?.added ?? 0))
  }

  /** How long ago the data Redis last answered, milliseconds. */
  get cutOffForMs(): number {
    return performance.now() - this.#dataSeenAtMs
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
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#listeners.delete(done)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      signal.addEventListener('abort', done)
      this.#listeners.add(done)
      if (signal.aborted) done()
    })
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
    const checkpoint = checkpointFrom(await this.#options.copies.watchCheckpoint())
    // Another follower may have taken over entries that this one never sees, among them indexes made and dropped.
    if (checkpoint?.revision !== this.#checkpoint?.revision) this.catalogue.forget()
    this.#checkpoint = checkpoint
    const batch = await this.#batchAfter(checkpoint?.log ?? NEWEST)
    const situation = situationOf(checkpoint, batch)
    if (situation === 'no-data' || situation === 'data-behind') {
      this.#forget()
      this.#move('waiting', situationText(situation))
      await this.#options.log.changed(batch.clock, BLOCK_MS, this.#abort.signal)
      return IDLE_PAUSE_MS
    }
    await this.catalogue.ensure()
    if (!checkpoint) return await this.#beginRepair('build', checkpoint, batch)
    if (situation !== 'follow') return await this.#beginRepair(situation, checkpoint, batch)
    const missing = await this.catalogue.missing()
    // Not made before the checkpoint says that it doesn't answer: the copies come into it only little by little.
    if (missing.some(({ uid }) => checkpoint.complete.has(uid)))
      return await this.#beginRepair('index-missing', checkpoint, batch)
    await this.catalogue.makeMissing()
    if (!checkpoint.repair) return await this.#follow(checkpoint, batch)
    if (!this.#mine(checkpoint)) return STAND_BY_MS
    if (!this.#repair) return await this.#beginRepair(checkpoint.repair.reason, checkpoint, batch)
    return await this.#repairStep(checkpoint, batch, this.#repair)
  }

  /** True when no entry has come since the indexes were level: the clock alone may have moved, by writes to the cache. */
  async #nothingNew(): Promise<boolean> {
    const level = this.#level
    if (!level || performance.now() - this.#checkedAtMs > CHECK_EVERY_MS) return false
    const { signal } = this.#abort
    await this.#options.log.changed(level.clock, BLOCK_MS, signal)
    if (signal.aborted) return true
    const batch = await this.#batchAfter(level.log)
    if (this.#level !== level) return false
    const same = samePosition(batch.newest, level.log)
    if (!same || coverageOf(level.clock, batch.clock, batch.forks, false) !== 'included') {
      this.#ahead = { after: level.log, batch: Promise.resolve(batch) }
      return false
    }
    this.#reach({ log: level.log, clock: batch.clock })
    if (this.#listeners.size === 0) await delay(IDLE_PAUSE_MS)
    return true
  }

  async #batchAfter(after: Position): Promise<LogBatch> {
    const ahead = this.#ahead
    this.#ahead = undefined
    const reading = ahead && samePosition(ahead.after, after) ? ahead.batch : this.#read(after)
    const batch = await reading
    this.#dataSeenAtMs = performance.now()
    this.#added = batch.added ?? 0
    return batch
  }

  #read(after: Position): Promise<LogBatch> {
    return this.#options.log.read(after, this.#options.pace.count)
  }

  #readAhead(after: Position): void {
    const batch = this.#read(after)
    batch.catch(() => {})
    this.#ahead = { after, batch }
  }

  /** Whether this follower is the one to repair: its own repair, or one whose follower has gone silent. */
  #mine({ repair, revision }: Checkpoint): boolean {
    if (repair?.by === this.#id) return true
    if (revision !== this.#others.revision) this.#others = { revision, sinceMs: performance.now() }
    this.#move('standing-by', 'another follower compares the copies')
    return performance.now() - this.#others.sinceMs > TAKE_OVER_AFTER_MS
  }

  async #beginRepair(
    reason: RepairReason,
    checkpoint: Checkpoint | undefined,
    batch: LogBatch,
  ): Promise<number> {
    this.#forget()
    this.#orphans = undefined
    this.catalogue.forget()
    await this.catalogue.load()
    const lost = new Set((await this.catalogue.missing()).map(({ uid }) => uid))
    const repair = new RepairScan({ ...this.#options, definitions: [...this.catalogue.definitions.values()] })
    // Copies that miss changes still answer; copies of changes that were rolled back, or of other data, don't.
    const keep = reason === 'gap' || reason === 'index-missing' ? checkpoint : undefined
    this.#move('repairing', situationText(reason))
    this.#repair = repair
    const begun = await this.#commit([], {
      revision: (checkpoint?.revision ?? 0) + 1,
      clusterId: batch.clusterId ?? '',
      log: batch.newest,
      added: this.#added,
      applied: keep?.applied ?? ORIGIN,
      seen: keep ? laterPosition(keep.seen, batch.clock) : batch.clock,
      levelAtMs: checkpoint?.levelAtMs ?? 0,
      forks: batch.forks,
      complete: new Set([...(keep?.complete ?? [])].filter((uid) => !lost.has(uid))),
      repair: { reason, by: this.#id, progress: repair.progress },
    })
    return begun ? 0 : STAND_BY_MS
  }

  /** Takes over a batch of the log. */
  async #follow(checkpoint: Checkpoint, batch: LogBatch): Promise<number> {
    if (batch.entries.length === 0 && samePosition(checkpoint.applied, batch.clock)) {
      this.#checkedAtMs = performance.now()
      this.#reach({ log: checkpoint.log, clock: batch.clock })
      await this.#sweep()
      return 0
    }
    await this.#define(batch)
    const { changes, shown } = changesOf(batch, this.catalogue.definitions, this.#options.region)
    const next = this.#after(checkpoint, batch)
    const reached = samePosition(next.log, batch.newest)
    const applied = reached ? batch.clock : next.log
    const seen = shown.reduce(laterPosition, laterPosition(checkpoint.seen, applied))
    const levelAtMs = reached ? this.#options.clock.nowMs() : checkpoint.levelAtMs
    if (!reached) this.#readAhead(next.log)
    const pauseMs = await this.#paced(changes, { ...next, applied, seen, levelAtMs })
    if (pauseMs === undefined) return STAND_BY_MS
    if (!reached) {
      this.#move('catching-up', `${this.pending} changes to apply`)
      return pauseMs
    }
    this.#reach({ log: next.log, clock: batch.clock })
    await this.#sweep()
    return pauseMs
  }

  /** Takes over a batch of the log and a step of the comparison; `applied` stays where it is until all is compared. */
  async #repairStep(checkpoint: Checkpoint, batch: LogBatch, repair: RepairScan): Promise<number> {
    await this.#define(batch)
    const { definitions } = this.catalogue
    const { changes } = changesOf(batch, definitions, this.#options.region)
    const steps = await repair.next(this.#options.pace.count)
    const compared = steps === undefined && (await this.#allFilled(repair))
    const after = this.#after(checkpoint, batch)
    const reached = samePosition(after.log, batch.newest)
    const seen = [batch.clock, repair.seen].reduce(laterPosition, checkpoint.seen)
    const { repair: state, ...rest } = after
    const next: Checkpoint = compared
      ? {
          ...{ ...rest, seen, applied: reached ? batch.clock : after.log },
          complete: new Set(
            [...after.complete, ...repair.progress.keys()].filter((uid) => definitions.has(uid)),
          ),
        }
      : { ...after, seen, ...(state && { repair: { ...state, by: this.#id, progress: repair.progress } }) }
    const pauseMs = await this.#paced([...changes, ...(steps ?? [])], next)
    if (pauseMs === undefined) return STAND_BY_MS
    // All is compared, but the search module has yet to take in what was there before.
    if (!compared) return steps === undefined ? FILLING_PAUSE_MS : pauseMs
    this.#repair = undefined
    this.#move('catching-up', 'all copies are compared')
    return pauseMs
  }

  /** Reads the definitions anew when a batch says that they changed. */
  async #define(batch: LogBatch): Promise<void> {
    const defined = batch.entries.some(
      ({ operation }) => operation === 'create-index' || operation === 'drop-index',
    )
    if (!defined) return
    await this.catalogue.load()
    await this.catalogue.makeMissing()
    this.#orphans = undefined
  }

  /** The checkpoint after a batch, but for what it says of answers. */
  #after(checkpoint: Checkpoint, batch: LogBatch): Checkpoint {
    const log = batch.entries.at(-1)?.position ?? checkpoint.log
    const made = batch.entries.filter((e) => e.operation === 'create-index').map((e) => e.indexUid)
    const complete = [...checkpoint.complete, ...made].filter((uid) => this.catalogue.definitions.has(uid))
    const added = samePosition(log, batch.newest) ? this.#added : checkpoint.added + batch.entries.length
    const revision = checkpoint.revision + 1
    return { ...checkpoint, revision, log, added, forks: batch.forks, complete: new Set(complete) }
  }

  async #allFilled(repair: RepairScan): Promise<boolean> {
    for (const uid of repair.progress.keys()) {
      if (this.catalogue.definitions.has(uid) && !(await this.#options.copies.filled(uid))) return false
    }
    return true
  }

  /** Commits; gives how long to pause, `undefined` when another follower was first. */
  async #paced(changes: readonly CopyChange[], checkpoint: Checkpoint): Promise<number | undefined> {
    const startedAt = performance.now()
    if (!(await this.#commit(changes, checkpoint))) return undefined
    return this.#options.pace.wrote(changes.length, performance.now() - startedAt)
  }

  async #commit(changes: readonly CopyChange[], checkpoint: Checkpoint): Promise<boolean> {
    const done = await this.#options.copies.commit(changes, checkpointFields(checkpoint))
    if (done) {
      this.#checkpoint = checkpoint
      this.#checkedAtMs = performance.now()
      this.#tell()
      return true
    }
    this.#forget()
    this.#repair = undefined
    this.#move('standing-by', 'another follower wrote first')
    return false
  }

  /** Removes what indexes that are gone have left, a little at a time. */
  async #sweep(): Promise<void> {
    this.#orphans ??= await this.#findOrphans()
    const [uid] = this.#orphans
    if (uid === undefined) return
    if (await this.#options.copies.sweep(uid, SWEEP_COUNT)) this.#orphans.shift()
    this.#forget()
  }

  async #findOrphans(): Promise<string[]> {
    const uids = await this.#options.copies.indexesWithCopies()
    await this.catalogue.dropOthers()
    return uids.filter((uid) => !this.catalogue.definitions.has(uid))
  }

  #reach(level: Level): void {
    this.#level = level
    this.catalogue.knownAt(level.clock)
    this.#move('level', `at ${formatPosition(level.clock)}`)
    this.#tell()
  }

  /** From now on nothing is taken for known: checkpoint and log are looked at anew. */
  #forget(): void {
    this.#level = undefined
    this.#ahead = undefined
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }

  #move(state: FollowerState, why: string): void {
    if (state === this.#state) return
    this.#logger.info({ from: this.#state, to: state, why }, 'follower moved')
    this.#state = state
  }
}
