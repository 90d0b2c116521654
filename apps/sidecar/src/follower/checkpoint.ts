import { type Forks, formatPosition, ORIGIN, type Position, parsePosition } from '@perigee/core'

/** Why the copies are being compared with the chunks. */
export type RepairReason = 'build' | 'foreign' | 'gap' | 'rolled-back' | 'index-missing'

/**
 * How far the region's indexes are: a hash in the index Redis, written in the same MULTI as the copies, so that it says of
 * them exactly what is true whatever dies when.
 */
export interface Checkpoint {
  /** Grows with every write: a follower that reads another one than it wrote isn't alone. */
  readonly revision: number
  /** The follower that wrote it. */
  readonly by: string
  /** The region whose copies these are. */
  readonly region: string
  /** Of the data the copies were made from. */
  readonly clusterId: string
  /** The last entry of the change log that was taken over. */
  readonly log: Position
  /** How many entries the log had ever taken, up to that one. */
  readonly logAdded: number
  /** How many it had ever taken up to `applied`. */
  readonly added: number
  /** Complete indexes include everything up to here: what session tokens are compared with. */
  readonly applied: Position
  /** Indexes include nothing after this: what receipts say, and what a fork is held against. */
  readonly seen: Position
  /** When nothing was left to apply the last time, Unix milliseconds by the primary's clock; 0: never yet. */
  readonly levelAtMs: number
  readonly forks: Forks
  /** Uids of the indexes that answer. */
  readonly complete: ReadonlySet<string>
  readonly repair?: Repair | undefined
}

/** A comparison of all copies with all chunks, under way. */
interface Repair {
  readonly reason: RepairReason
  /** Part done of each index, 0 to 1. */
  readonly progress: ReadonlyMap<string, number>
}

const COMPLETE = 'complete:'
const PROGRESS = 'progress:'

/** Names of the checkpoint's fields that a search of an index reads. */
export function answerFields(indexUid: string): readonly string[] {
  return ['log', 'applied', 'seen', 'forks', 'repair', 'region', 'cluster', COMPLETE + indexUid]
}

/** What a search reads of the checkpoint. */
export interface AnswerState {
  readonly log: Position
  readonly applied: Position
  readonly seen: Position
  readonly forks: Forks
  readonly repairing: boolean
  readonly clusterId: string
}

/** Reads the values of {@link answerFields}; `undefined` when the index doesn't answer, or is another region's. */
export function answerState(
  values: readonly (string | undefined)[],
  ownRegion: string,
): AnswerState | undefined {
  const [log, applied, seen, forks, repair, region, clusterId, complete] = values
  if (complete !== '1' || region !== ownRegion || !clusterId) return undefined
  return {
    log: position(log),
    applied: position(applied),
    seen: position(seen),
    forks: forksFrom(forks),
    repairing: Boolean(repair),
    clusterId,
  }
}

/** Reads a checkpoint; `undefined` when there is none that this version understands. */
export function checkpointFrom(fields: ReadonlyMap<string, string>): Checkpoint | undefined {
  const clusterId = fields.get('cluster')
  const region = fields.get('region')
  const revision = Number(fields.get('revision'))
  if (!clusterId || !region || !Number.isSafeInteger(revision)) return undefined
  const reason = fields.get('repair')
  const under = (prefix: string) =>
    [...fields].flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
    )
  return {
    revision,
    by: fields.get('by') ?? '',
    region,
    clusterId,
    log: position(fields.get('log')),
    logAdded: Number(fields.get('log_added') ?? 0),
    added: Number(fields.get('added') ?? 0),
    applied: position(fields.get('applied')),
    seen: position(fields.get('seen')),
    levelAtMs: Number(fields.get('level_at') ?? 0),
    forks: forksFrom(fields.get('forks')),
    complete: new Set(under(COMPLETE).map(([uid]) => uid)),
    ...(reason && {
      repair: {
        reason: reason as RepairReason,
        progress: new Map(under(PROGRESS).map(([uid, value]) => [uid, Number(value)])),
      },
    }),
  }
}

/** All fields of a checkpoint, for writing it whole. */
export function checkpointFields(checkpoint: Checkpoint): Map<string, string> {
  const { repair } = checkpoint
  const fields = new Map([
    ['revision', String(checkpoint.revision)],
    ['by', checkpoint.by],
    ['region', checkpoint.region],
    ['cluster', checkpoint.clusterId],
    ['log', formatPosition(checkpoint.log)],
    ['log_added', String(checkpoint.logAdded)],
    ['added', String(checkpoint.added)],
    ['applied', formatPosition(checkpoint.applied)],
    ['seen', formatPosition(checkpoint.seen)],
    ['level_at', String(checkpoint.levelAtMs)],
    ['forks', JSON.stringify([...checkpoint.forks])],
  ])
  for (const uid of checkpoint.complete) fields.set(COMPLETE + uid, '1')
  if (!repair) return fields
  fields.set('repair', repair.reason)
  for (const [uid, part] of repair.progress) fields.set(PROGRESS + uid, part.toFixed(3))
  return fields
}

function position(text: string | undefined): Position {
  return parsePosition(text ?? '') ?? ORIGIN
}

function forksFrom(text: string | undefined): Forks {
  return new Map(text ? (JSON.parse(text) as [number, number][]) : [])
}
