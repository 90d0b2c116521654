import { laterPosition, ORIGIN, type Position, samePosition } from '@perigee/core'
import type { LogBatch } from '../redis/change-log.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import type { Checkpoint, RepairReason } from './checkpoint.ts'

/** What a turn of the follower knows beside the checkpoint. */
export interface Turn {
  /** The follower. */
  readonly by: string
  readonly region: string
  readonly batch: LogBatch
  readonly definitions: ReadonlyMap<string, IndexDefinition>
  /** By the primary's clock, milliseconds. */
  readonly nowMs: number
}

/** Whether a checkpoint includes the newest log entry of a batch. */
export function reaches(checkpoint: Checkpoint, { newest }: LogBatch): boolean {
  return samePosition(checkpoint.log, newest)
}

/**
 * The checkpoint of a comparison that begins: from the newest entry on the log is followed, and what was before is compared.
 * Copies that merely miss changes still answer; copies of changes that were rolled back, or of other data, don't.
 *
 * @param repair.lost uids of indexes without a search index: they don't answer either.
 */
export function repairBegun(
  checkpoint: Checkpoint | undefined,
  { by, region, batch }: Turn,
  repair: { reason: RepairReason; lost: ReadonlySet<string>; progress: ReadonlyMap<string, number> },
): Checkpoint {
  const { reason, lost, progress } = repair
  const kept = reason === 'gap' || reason === 'index-missing' ? checkpoint : undefined
  return {
    revision: (checkpoint?.revision ?? 0) + 1,
    ...{ by, region, clusterId: batch.clusterId ?? '' },
    ...{ log: batch.newest, logAdded: batch.added ?? 0 },
    applied: kept?.applied ?? ORIGIN,
    added: kept?.added ?? 0,
    seen: kept?.seen ?? batch.clock,
    levelAtMs: checkpoint?.levelAtMs ?? 0,
    forks: batch.forks,
    complete: new Set([...(kept?.complete ?? [])].filter((uid) => !lost.has(uid))),
    repair: { reason, progress },
  }
}

/** The checkpoint after a batch that was taken over. @param shown positions that copies written with it may show. */
export function followed(checkpoint: Checkpoint, turn: Turn, shown: readonly Position[]): Checkpoint {
  return exact(moved(checkpoint, turn), turn, shown)
}

/** The checkpoint after a batch and a step of the comparison: `applied` stays where it is until all is compared. */
export function compared(
  checkpoint: Checkpoint,
  turn: Turn,
  step: { shown: readonly Position[]; progress: ReadonlyMap<string, number>; done: boolean },
): Checkpoint {
  const { shown, progress, done } = step
  const { repair, ...next } = moved(checkpoint, turn)
  if (!done) {
    const seen = shown.reduce(laterPosition, checkpoint.seen)
    return { ...next, seen, ...(repair && { repair: { ...repair, progress } }) }
  }
  const complete = [...next.complete, ...progress.keys()].filter((uid) => turn.definitions.has(uid))
  return { ...exact(next, turn, shown), complete: new Set(complete) }
}

/** Complete indexes include everything up to the log's part of the checkpoint, or up to the clock if that is the newest. */
function exact(next: Checkpoint, { batch, nowMs }: Turn, shown: readonly Position[]): Checkpoint {
  const reached = reaches(next, batch)
  const applied = reached ? batch.clock : next.log
  return {
    ...next,
    ...{ applied, added: next.logAdded },
    seen: shown.reduce(laterPosition, laterPosition(next.seen, applied)),
    levelAtMs: reached ? nowMs : next.levelAtMs,
  }
}

/** The log's part of the checkpoint after a batch, and the indexes that were made in it. */
function moved(checkpoint: Checkpoint, { by, batch, definitions }: Turn): Checkpoint {
  const log = batch.entries.at(-1)?.position ?? checkpoint.log
  const made = batch.entries.filter((e) => e.operation === 'create-index').map((e) => e.indexUid)
  const complete = [...checkpoint.complete, ...made].filter((uid) => definitions.has(uid))
  const atNewest = samePosition(log, batch.newest)
  return {
    ...checkpoint,
    ...{ revision: checkpoint.revision + 1, by, log, forks: batch.forks },
    logAdded: atNewest ? (batch.added ?? 0) : checkpoint.logAdded + batch.entries.length,
    complete: new Set(complete),
  }
}
