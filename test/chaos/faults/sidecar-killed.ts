import { DEADLINE_MS } from '../load.ts'
import type { Disturbance, Row } from '../row.ts'

const FIRST = 'first read answered, beyond the next region’s round trip'
const READS = 'failed reads'
const WRITES = 'failed writes, where it isn’t the primary’s'
/** Long enough that calls which were under way have ended. */
const WATCHED_MS = 2 * DEADLINE_MS

/** The nearest sidecar is killed: the next region answers. */
export const sidecarKilled: Row = {
  name: 'sidecar-killed',
  title: 'kill -9 of the nearest sidecar',
  pace: 'quick',
  figures: [
    { name: FIRST, unit: 'ms', max: 300 },
    { name: READS, max: 0 },
    { name: WRITES, max: 0 },
  ],
  async repeat(stage) {
    const home = stage.inTurn(stage.regions)
    const isPrimary = home === stage.primary
    const fromMs = stage.nowMs()
    await stage.cluster.stopProcess(home, 'sidecar', 'SIGKILL')
    const calls = (await stage.watch(fromMs, WATCHED_MS)).in(home)
    await stage.cluster.startProcess(home, 'sidecar')
    const firstMs = calls.begunAfter(fromMs).reads.answered.firstEndMs - fromMs
    return {
      [FIRST]: firstMs - stage.nextRoundTripMs(home),
      [READS]: stage.told(calls.reads.failed),
      [WRITES]: isPrimary ? 0 : stage.told(calls.writes.failed),
    }
  },
}

/** Any sidecar dies, and is started again later. */
export const killsSidecar: Disturbance = {
  label: 'sidecar killed',
  lastsMs: 6_000,
  async begin(stage) {
    const region = stage.oneOf(stage.regions)
    stage.note(`the sidecar of ${region} is killed`)
    await stage.cluster.stopProcess(region, 'sidecar', 'SIGKILL')
    return () => stage.cluster.startProcess(region, 'sidecar')
  },
}
