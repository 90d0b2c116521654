import { laterPosition, ORIGIN, type Position } from '@perigee/core'
import type { ChangeLog } from '../redis/change-log.ts'
import type { CopyChange } from '../redis/copy-writer.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { copyChange } from './copy.ts'
import { goesOn } from './situation.ts'

/** Copies to write in one commit. */
export interface ChunkCopies {
  /** Of the first of the chunks asked for, as many as are read at once; none when the data was replaced in between. */
  readonly changes: readonly CopyChange[]
  /** The newest position that they may show. */
  readonly seen: Position
}

/**
 * Reads chunks for making their copies be as they are now.
 *
 * @param asked.from the data Redis's clock as of the log's batch that the copies are written with: what doesn't go on from
 *   there is of another history.
 */
export async function copiesOf(
  log: Pick<ChangeLog, 'chunks'>,
  definition: IndexDefinition,
  { ids, from, region }: { ids: readonly string[]; from: Position; region: string },
): Promise<ChunkCopies> {
  if (ids.length === 0) return { changes: [], seen: ORIGIN }
  const { chunks, clock } = await log.chunks(definition.uid, ids, 'all')
  if (!goesOn(from, clock)) return { changes: [], seen: ORIGIN }
  const unread = chunks.indexOf('unread')
  const read = (unread < 0 ? chunks : chunks.slice(0, unread)) as Exclude<(typeof chunks)[number], 'unread'>[]
  return {
    changes: read.map((chunk, i) => copyChange(ids[i] as string, chunk, definition, region)),
    seen: read.map((chunk) => chunk?.position ?? clock).reduce(laterPosition, ORIGIN),
  }
}
