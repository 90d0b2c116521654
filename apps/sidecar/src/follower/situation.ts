import { coverageOf, ORIGIN, samePosition } from '@perigee/core'
import type { LogBatch } from '../redis/change-log.ts'
import type { Checkpoint, RepairReason } from './checkpoint.ts'

/** What there is to do about a checkpoint and the log: to wait for data, to follow, or to compare everything. */
export type Situation = 'no-data' | 'data-behind' | 'follow' | RepairReason

/** Judges a checkpoint by the batch of the log that comes after it. */
export function situationOf(checkpoint: Checkpoint | undefined, batch: LogBatch): Situation {
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
      return 'the index Redis holds copies of another cluster'
    case 'gap':
      return 'the change log no longer holds what comes after the checkpoint'
    case 'rolled-back':
      return 'the index holds changes that were rolled back'
    case 'index-missing':
      return 'a search index was missing'
  }
}
