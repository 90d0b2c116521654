import type { Position } from '@perigee/core'
import type { LogBatch } from '../redis/change-log.ts'
import type { CopyChange } from '../redis/copy-writer.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { copyChange } from './copy.ts'

/** What a batch of the log asks of a region's copies. */
export interface LogChanges {
  readonly changes: CopyChange[]
  /** The newest things these changes may show: chunks come as they are now, which may be after their entries. */
  readonly shown: readonly Position[]
}

/** The changes of copies that a batch asks for, each copy once. */
export function changesOf(
  batch: LogBatch,
  definitions: ReadonlyMap<string, IndexDefinition>,
  region: string,
): LogChanges {
  const chunks = new Map(batch.chunks.map((c) => [`${c.indexUid}:${c.id}`, c]))
  const changes = new Map<string, CopyChange>()
  // Chunks that are gone though the batch doesn't say so: they were deleted somewhere between it and the clock.
  const goneLater = new Set<string>()
  for (const { operation, indexUid, chunkId: id } of batch.entries) {
    const definition = definitions.get(indexUid)
    if (!definition || (operation !== 'upsert' && operation !== 'delete')) continue
    const name = `${indexUid}:${id}`
    const chunk = chunks.get(name)
    if (chunk || operation === 'delete') goneLater.delete(name)
    else goneLater.add(name)
    changes.set(name, copyChange(id, chunk, definition, region))
  }
  const shown = goneLater.size > 0 ? [batch.clock] : batch.chunks.map((c) => c.position)
  return { changes: [...changes.values()], shown }
}
