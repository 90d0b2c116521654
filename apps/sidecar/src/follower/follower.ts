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
import type { IndexDefinition } from '../redis/index-definition.ts'
import { StatusError } from '../status-error.ts'
import { Catalogue } from './catalogue.ts'
import { type Checkpoint, checkpointFields, checkpointFrom, type RepairReason } from './checkpoint.ts'
import { copyFields, meantFor } from './copy.ts'
import type { Pace } from './pace.ts'
import { RepairScan } from './repair-scan.ts'

/** What the follower is doing. */
export type FollowerState = 'stopped' | 'waiting' | 'standing-by' | 'repairing' | 'catching-up' | 'level'

/** What there is to do, judged from checkpoint and log. */
type Situation = 'no-data' | 'data-behind' | 'follow' | RepairReason

export interface FollowerOptions {
  readonly region: string
  readonly log: ChangeLog
  readonly copies: CopyWriter
  readonly clock: PrimaryClock
  readonly pace: Pace
  readonly logger: Logger
}

/** The state of the log and of this region's indexes at one moment. */
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
  #added = 0
  #repair: RepairScan | undefined
  #othersRevision = -1
  #othersSinceMs = 0
  #dataSeenAtMs = performance.now()
  #orphans: string[] | undefined
  #peeked: LogBatch | undefined

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

  /** Up to where the data Redis's log is known to hold nothing newer than a checkpoint at `log`. */
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
    this.#forgetLevel()
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
    this.#forgetLevel()
    this.#repair = undefined
    this.catalogue.forget()
    if (error instanceof StatusError) this.#move('waiting', error.message)
    else this.#logger.error({ err: error }, 'the follower failed; it tries again')
    return error instanceof StatusError ? 100 : 1_000
  }

  /** One step; gives how long to pause after it. */
  async #turn(): Promise<number> {
    if (await this.#nothingNew()) return 0
    const fields = await this.#options.copies.watchCheckpoint()
    const checkpoint = checkpointFrom(fields)
    this.#checkpoint = checkpoint
    const batch = this.#takePeeked(checkpoint) ?? (await this.#read(checkpoint?.log ?? NEWEST))
    const situation = situationOf(checkpoint, batch)
    if (situation === 'no-data' || situation === 'data-behind') return await this.#await(situation, batch)
    await this.catalogue.ensure()
    if (!checkpoint || situation !== 'follow') {
      return await this.#beginRepair(situation === 'follow' ? 'build' : situation, checkpoint, batch)
    }
    const missing = await this.catalogue.makeMissing()
    const lost = missing.filter((uid) => checkpoint.complete.has(uid))
    if (lost.length > 0) return await this.#beginRepair('index-missing', checkpoint, batch, lost)
    if (checkpoint.repair && !this.#mine(checkpoint)) return STAND_BY_MS
    if (checkpoint.repair && !this.#repair)
      return await this.#beginRepair(checkpoint.repair.reason, checkpoint, batch)
    return await this.#follow(checkpoint, batch)
  }

  /** True when no entry has come since the indexes were level: the clock alone may have moved, by writes to the cache. */
  async #nothingNew(): Promise<boolean> {
    if (!this.#level || performance.now() - this.#checkedAtMs > CHECK_EVERY_MS) return false
    const { signal } = this.#abort
    await this.#options.log.changed(this.#level.clock, BLOCK_MS, signal)
    if (signal.aborted) return true
    const level = this.#level
    const batch = await this.#read(level?.log ?? NEWEST)
    if (!level || this.#level !== level) return false
    if (!samePosition(batch.newest, level.log)) {
      this.#peeked = batch
      return false
    }
    if (coverageOf(level.clock, batch.clock, batch.forks, false) !== 'included') return false
    this.#reach({ log: level.log, clock: batch.clock })
    if (this.#listeners.size === 0) await delay(IDLE_PAUSE_MS)
    return true
  }

  /** The batch just read, when it is the one that comes after the checkpoint. */
  #takePeeked(checkpoint: Checkpoint | undefined): LogBatch | undefined {
    const batch = this.#peeked
    this.#peeked = undefined
    return batch && checkpoint && this.#level && samePosition(this.#level.log, checkpoint.log)
      ? batch
      : undefined
  }

  async #read(after: Position): Promise<LogBatch> {
    const batch = await this.#options.log.read(after, this.#options.pace.count)
    this.#dataSeenAtMs = performance.now()
    this.#added = batch.added ?? 0
    return batch
  }

  async #await(situation: 'no-data' | 'data-behind', batch: LogBatch): Promise<number> {
    this.#forgetLevel()
    this.#move(
      'waiting',
      situation === 'no-data' ? 'the cluster holds nothing yet' : 'the data Redis is behind the index',
    )
    await this.#options.log.changed(batch.clock, BLOCK_MS, this.#abort.signal)
    return IDLE_PAUSE_MS
  }

  /** Whether this follower is the one to repair: its own repair, or one whose follower has gone silent. */
  #mine({ repair, revision }: Checkpoint): boolean {
    if (repair?.by === this.#id) return true
    if (revision !== this.#othersRevision) {
      this.#othersRevision = revision
      this.#othersSinceMs = performance.now()
    }
    this.#move('standing-by', 'another follower compares the copies')
    return performance.now() - this.#othersSinceMs > TAKE_OVER_AFTER_MS
  }

  async #beginRepair(
    reason: RepairReason,
    checkpoint: Checkpoint | undefined,
    batch: LogBatch,
    lost: readonly string[] = [],
  ): Promise<number> {
    this.#forgetLevel()
    this.catalogue.forget()
    await this.catalogue.load()
    await this.catalogue.makeMissing()
    const definitions = [...this.catalogue.definitions.values()]
    const repair = new RepairScan({ ...this.#options, definitions })
    // Copies that miss changes still answer; copies of changes that were rolled back, or of other data, don't.
    const keep = checkpoint && (reason === 'gap' || reason === 'index-missing') ? checkpoint : undefined
    const complete = new Set([...(keep?.complete ?? [])].filter((uid) => !lost.includes(uid)))
    this.#move('repairing', reasonText(reason))
    this.#repair = repair
    this.#orphans = undefined
    const begun = await this.#commit([], {
      revision: (checkpoint?.revision ?? 0) + 1,
      clusterId: batch.clusterId ?? '',
      log: batch.newest,
      added: this.#added,
      applied: keep?.applied ?? ORIGIN,
      seen: keep ? laterPosition(keep.seen, batch.clock) : batch.clock,
      levelAtMs: checkpoint?.levelAtMs ?? 0,
      forks: batch.forks,
      complete,
      repair: { reason, by: this.#id, progress: repair.progress },
    })
    return begun ? 0 : STAND_BY_MS
  }

  /** Takes over a batch of the log, and a step of the repair when one is under way. */
  async #follow(checkpoint: Checkpoint, batch: LogBatch): Promise<number> {
    const { pace } = this.#options
    const defined = batch.entries.some((e) => e.operation === 'create-index' || e.operation === 'drop-index')
    if (defined) {
      await this.catalogue.load()
      await this.catalogue.makeMissing()
      this.#orphans = undefined
    }
    const { definitions } = this.catalogue
    const { changes, exact } = this.#changesOf(batch, definitions)
    const steps = batch.entries.length === 0 ? await this.#repair?.next(pace.count) : []
    const repaired = this.#repair !== undefined && steps === undefined && (await this.#allFilled())
    if (steps) changes.push(...steps)

    const last = batch.entries.at(-1)
    if (!last && !this.#repair && samePosition(checkpoint.applied, batch.clock)) {
      this.#checkedAtMs = performance.now()
      this.#reach({ log: checkpoint.log, clock: batch.clock })
      await this.#sweep()
      return 0
    }
    const log = last?.position ?? checkpoint.log
    const reached = samePosition(log, batch.newest)
    const repairing = this.#repair !== undefined && !repaired
    const applied = repairing ? checkpoint.applied : reached ? batch.clock : log
    const seen =
      exact && !repairing ? [applied, ...batch.chunks.map((c) => c.position)] : [applied, batch.clock]
    const complete = new Set([...checkpoint.complete].filter((uid) => definitions.has(uid)))
    for (const e of batch.entries) {
      if (e.operation === 'create-index' && definitions.has(e.indexUid)) complete.add(e.indexUid)
    }
    if (repaired)
      for (const uid of this.#repair?.progress.keys() ?? []) if (definitions.has(uid)) complete.add(uid)
    const next: Checkpoint = {
      revision: checkpoint.revision + 1,
      clusterId: checkpoint.clusterId,
      log,
      added: reached ? this.#added : checkpoint.added + batch.entries.length,
      applied,
      seen: seen.reduce(laterPosition, checkpoint.seen),
      levelAtMs: reached && !repairing ? this.#options.clock.nowMs() : checkpoint.levelAtMs,
      forks: batch.forks,
      complete,
      ...(repairing &&
        this.#repair &&
        checkpoint.repair && {
          repair: { ...checkpoint.repair, by: this.#id, progress: this.#repair.progress },
        }),
    }
    const startedAt = performance.now()
    if (!(await this.#commit(changes, next))) return STAND_BY_MS
    const pauseMs = pace.wrote(changes.length, performance.now() - startedAt)
    if (repaired) this.#repair = undefined
    if (repairing) this.#move('repairing', reasonText(checkpoint.repair?.reason ?? 'build'))
    else if (reached) this.#reach({ log, clock: batch.clock })
    else this.#move('catching-up', `${this.pending} changes to apply`)
    if (defined || repaired) await this.catalogue.dropOthers()
    if (reached && !repairing) await this.#sweep()
    return pauseMs
  }

  /** The changes of copies that a batch asks for; exact when no chunk of it may show a later change than its version says. */
  #changesOf(batch: LogBatch, definitions: ReadonlyMap<string, IndexDefinition>) {
    const chunks = new Map(batch.chunks.map((c) => [`${c.indexUid}:${c.id}`, c]))
    const changes = new Map<string, CopyChange>()
    const deleted = new Set<string>()
    for (const { operation, indexUid, chunkId: id } of batch.entries) {
      if (operation !== 'upsert' && operation !== 'delete') continue
      const definition = definitions.get(indexUid)
      if (!definition) continue
      const name = `${indexUid}:${id}`
      const chunk = chunks.get(name)
      if (operation === 'delete') deleted.add(name)
      else if (!chunk) deleted.delete(name)
      const put = chunk && meantFor(this.#options.region, chunk, definition)
      changes.set(
        name,
        put
          ? { kind: 'put', indexUid, id, fields: copyFields(chunk, definition) }
          : { kind: 'remove', indexUid, id },
      )
    }
    const exact = [...changes].every(([name, c]) => c.kind === 'put' || chunks.has(name) || deleted.has(name))
    return { changes: [...changes.values()], exact }
  }

  async #allFilled(): Promise<boolean> {
    for (const uid of this.#repair?.progress.keys() ?? []) {
      if (this.catalogue.definitions.has(uid) && !(await this.#options.copies.filled(uid))) return false
    }
    return true
  }

  async #commit(changes: readonly CopyChange[], checkpoint: Checkpoint): Promise<boolean> {
    const done = await this.#options.copies.commit(changes, checkpointFields(checkpoint))
    if (done) {
      this.#checkpoint = checkpoint
      this.#checkedAtMs = performance.now()
      this.#tell()
      return true
    }
    this.#forgetLevel()
    this.#repair = undefined
    this.#move('standing-by', 'another follower wrote first')
    return false
  }

  /** Removes what indexes that are gone have left, a little at a time. */
  async #sweep(): Promise<void> {
    this.#orphans ??= (await this.#options.copies.indexesWithCopies()).filter(
      (uid) => !this.catalogue.definitions.has(uid),
    )
    const [uid] = this.#orphans
    if (uid !== undefined && (await this.#options.copies.sweep(uid, SWEEP_COUNT))) this.#orphans.shift()
    if (this.#orphans.length > 0) this.#forgetLevel()
  }

  #reach(level: Level): void {
    this.#level = level
    this.catalogue.knownAt(level.clock)
    this.#move('level', `at ${formatPosition(level.clock)}`)
    this.#tell()
  }

  #forgetLevel(): void {
    this.#level = undefined
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

/** What is to be done about a checkpoint and the log as they are. */
function situationOf(checkpoint: Checkpoint | undefined, batch: LogBatch): Situation {
  if (!batch.clusterId || samePosition(batch.clock, ORIGIN)) return 'no-data'
  if (!checkpoint) return 'build'
  if (checkpoint.clusterId !== batch.clusterId) return 'foreign'
  const coverage = coverageOf(checkpoint.seen, batch.clock, batch.forks, false)
  if (coverage === 'lost') return 'rolled-back'
  if (coverage !== 'included') return 'data-behind'
  const [first] = batch.entries
  const before = first ? first.previous : batch.newest
  return samePosition(before, checkpoint.log) ? 'follow' : 'gap'
}

function reasonText(reason: RepairReason): string {
  switch (reason) {
    case 'build':
      return 'the index Redis holds no copies yet'
    case 'foreign':
      return 'the index Redis holds copies of another cluster'
    case 'gap':
      return 'the change log no longer holds what comes after the checkpoint'
    case 'rolled-back':
      return 'the index holds changes that were rolled back'
    case 'index-missing':
      return 'a search index was missing'
  }
}
