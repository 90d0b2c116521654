import { DEADLINE_MS } from '../load.ts'
import type { Disturbance, Row } from '../row.ts'

const FIRST = 'first read answered, beyond the next region’s round trip'
const FAILED = 'failed reads'
const FAILED_WRITES = 'failed writes, where it isn’t the primary’s'
/** Long enough that calls which were under way have ended. */
const WATCHED_MS = 2 * DEADLINE_MS

/** The nearest sidecar is killed: the next region answers. */
export const sidecarKilled: Row = {
  name: 'sidecar-killed',
  title: 'kill -9 of the nearest sidecar',
  pace: 'quick',
  figures: [
    { name: FIRST, unit: 'ms', max: 300 },
    { name: FAILED, max: 0 },
    { name: FAILED_WRITES, max: 0 },
  ],
  async repeat(stage) {
    const home = stage.inTurn(stage.regions)
    const isPrimary = home === stage.primary
    const fromMs = stage.nowMs()
    await stage.cluster.stopProcess(home, 'sidecar', 'SIGKILL')
    await stage.until(
      'calls after it',
      fromMs,
      (calls) => calls.begunAfter(fromMs + WATCHED_MS).in(home).count > 0,
    )
    const calls = stage.endedSince(fromMs).in(home)
    await stage.cluster.startProcess(home, 'sidecar')
    const firstMs = calls.begunAfter(fromMs).reads.answered.firstEndMs - fromMs
    return {
      [FIRST]: firstMs - stage.nextRoundTripMs(home),
      [FAILED]: calls.reads.failed.count,
      [FAILED_WRITES]: isPrimary ? 0 : calls.writes.failed.count,
    }
  },
}

/** Any sidecar dies, and is started again later. */
export const killsSidecar: Disturbance = {
  label: 'sidecar killed',
  lastsMs: 6_000,
  async begin(stage) {
    const { cluster } = stage
    const region = stage.oneOf(stage.regions)
    await cluster.stopProcess(region, 'sidecar', 'SIGKILL')
    return () => cluster.startProcess(region, 'sidecar')
  },
}
