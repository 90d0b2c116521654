import { coverageOf, ORIGIN, type Position, samePosition } from '@perigee/core'
import type { LogBatch } from '../redis/change-log.ts'
import type { Checkpoint, RepairReason } from './checkpoint.ts'

/** What there is to do about a checkpoint and the log: to wait for data, to follow, or to compare everything. */
export type Situation = 'no-data' | 'data-behind' | 'follow' | RepairReason

/** Judges a checkpoint of this region's index Redis by the batch of the log that comes after it. */
export function situationOf(
  checkpoint: Checkpoint | undefined,
  batch: LogBatch,
  region: string,
): Exclude<Situation, 'index-missing'> {
  if (!batch.clusterId || samePosition(batch.clock, ORIGIN)) return 'no-data'
  if (!checkpoint) return 'build'
  // The copies of another region lack chunks that are meant for this one.
  if (checkpoint.clusterId !== batch.clusterId || checkpoint.region !== region) return 'foreign'
  const coverage = coverageOf(checkpoint.seen, batch.clock, batch.forks, false)
  if (coverage === 'lost') return 'rolled-back'
  if (coverage !== 'included') return 'data-behind'
  const [first] = batch.entries
  const before = first ? first.previous : batch.newest
  return samePosition(before, checkpoint.log) ? 'follow' : 'gap'
}

/**
 * Whether a later read of the same data Redis surely goes on from an earlier one. Without that, what they read belongs to
 * two histories, and one checkpoint couldn't tell which.
 */
export function goesOn(from: Position, to: Position): boolean {
  return to.epoch === from.epoch && to.seq >= from.seq
}

/** A situation in words, for logs. */
export function situationText(situation: Situation): string {
  switch (situation) {
    case 'no-data':
      return 'the cluster holds nothing yet'
    case 'data-behind':
      return 'the data Redis is behind the index'
    case 'follow':
      return 'the log goes on'
    case 'build':
      return 'the index Redis holds no copies yet'
    case 'foreign':
      return 'the index Redis holds copies of another cluster or region'
    case 'gap':
      return 'the change log no longer holds what comes after the checkpoint'
    case 'rolled-back':
      return 'the index holds changes that were rolled back'
    case 'index-missing':
      return 'a search index was missing'
  }
}
