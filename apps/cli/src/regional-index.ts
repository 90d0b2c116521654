import type { RegionalIndex } from '@perigee/sdk'
import { formatMs } from './duration.ts'
import type { Colors } from './output.ts'
import type { Column } from './table.ts'

/** The columns of a table of regions' own copies of indexes. */
export const regionalIndexColumns: readonly Column[] = [
  { head: 'INDEX' },
  { head: 'REGION' },
  { head: 'STATE' },
  { head: 'CHUNKS', right: true },
  { head: 'PENDING', right: true },
  { head: 'LAG', right: true },
  { head: 'PROGRESS', right: true },
]

/** One region's copy of an index as cells of {@link regionalIndexColumns}. */
export function regionalIndexRow(index: RegionalIndex, colors: Colors): string[] {
  return [
    index.namespace === 'default' ? index.index : `${index.namespace}/${index.index}`,
    index.region,
    index.state === 'serving' ? colors.green(index.state) : colors.yellow(index.state),
    index.chunks.toLocaleString('en'),
    index.pending.toLocaleString('en'),
    index.lagMs === undefined ? '-' : formatMs(index.lagMs),
    `${Math.floor(index.progress * 100)} %`,
  ]
}

/** One region's copy of an index, for machines. */
export function regionalIndexJson(index: RegionalIndex) {
  return { ...index, lagMs: index.lagMs ?? 0 }
}
