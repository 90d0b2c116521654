import { durationMs } from '@bufbuild/protobuf/wkt'
import { type RegionalIndex, RegionalIndex_State } from '@perigee/protocol'
import { formatMs } from './duration.ts'
import { enumName } from './enum-name.ts'
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
  const serving = index.state === RegionalIndex_State.SERVING
  const state = stateName(index)
  return [
    index.namespace && index.namespace !== 'default' ? `${index.namespace}/${index.index}` : index.index,
    index.region,
    serving ? colors.green(state) : colors.yellow(state),
    index.chunks.toLocaleString('en'),
    index.pending.toLocaleString('en'),
    index.lag ? formatMs(durationMs(index.lag)) : '-',
    `${Math.floor(index.progress * 100)} %`,
  ]
}

/** One region's copy of an index, for machines. */
export function regionalIndexJson(index: RegionalIndex) {
  return {
    namespace: index.namespace,
    index: index.index,
    region: index.region,
    state: stateName(index),
    chunks: index.chunks,
    pending: index.pending,
    lagMs: index.lag ? durationMs(index.lag) : 0,
    progress: index.progress,
  }
}

function stateName(index: RegionalIndex): string {
  return enumName(RegionalIndex_State, index.state)
}
