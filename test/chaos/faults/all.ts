import type { Row } from '../row.ts'
import { sidecarKilled } from './sidecar-killed.ts'

/** Every fault, in the order of the table. */
export const rows: readonly Row[] = [sidecarKilled]
