import type { Row } from '../row.ts'

const HOME = 'last read answered elsewhere'
const FAILED = 'failed calls'
/** Traffic that is home must stay there so long. */
const STEADY_MS = 2_000
const AWAY_MS = 1_500

/** The nearest sidecar was dead for a while and is there again: its clients come home. */
export const sidecarBack: Row = {
  name: 'sidecar-back',
  title: 'it comes back',
  pace: 'quick',
  figures: [
    { name: HOME, unit: 's', max: 15_000 },
    { name: FAILED, max: 0 },
  ],
  async repeat(stage) {
    const { cluster } = stage
    const home = stage.inTurn(stage.replicas)
    await cluster.stopProcess(home, 'sidecar', 'SIGKILL')
    await stage.watch(stage.nowMs(), AWAY_MS)
    await cluster.startProcess(home, 'sidecar')
    const fromMs = stage.nowMs()
    await stage.calm([home])
    const homeMs = stage.nowMs() - fromMs
    const calls = (await stage.watch(fromMs, homeMs + STEADY_MS)).in(home)
    return {
      [HOME]: calls.reads.notAnsweredBy(home).lastEndMs(fromMs) - fromMs,
      [FAILED]: stage.told(calls.failed),
    }
  },
}
